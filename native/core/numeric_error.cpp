#include "core/numeric_error.h"

#include <string>
#include <vector>

#include "core/error.h"
#include "core/types.h"

namespace kigo {

void throw_numeric(const NumericPlace& at) {
  const Tensor* tensor = at.matrix != nullptr ? at.matrix->tensor : at.vector != nullptr ? at.vector->tensor : nullptr;
  std::string message = "A number that is not finite arose in the step \"" + std::string(at.step) + "\"";
  std::vector<Detail> details = {{"step", at.step}};
  if (at.layer >= 0) {
    message += " of layer " + std::to_string(at.layer);
    details.emplace_back("layer", at.layer);
  }
  if (tensor != nullptr) {
    const char* type = find_type(tensor->type)->name;
    message += ", from tensor \"" + tensor->name + "\" (" + type + ")";
    details.emplace_back("tensor", tensor->name);
    details.emplace_back("type", type);
  }
  throw Error(KIGO_NUMERIC_ERROR, message + ".", std::move(details));
}

}  // namespace kigo

#include "core/error.h"

#include <doctest/doctest.h>

using namespace kigo;

TEST_CASE("sizes in messages read as those of the window") {
  CHECK(format_bytes(0) == "0 bytes");
  CHECK(format_bytes(1) == "1 byte");
  CHECK(format_bytes(20 * 0x1p10) == "20 KiB");
  CHECK(format_bytes(312 * 0x1p20) == "312 MiB");
  CHECK(format_bytes(11.71 * 0x1p30) == "11.71 GiB");
}

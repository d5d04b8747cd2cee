#include "core/memory.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <utility>

using namespace kigo;

TEST_CASE("blocks of every size are aligned, can be written to their ends, and are counted as asked for") {
  Tally tally;
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{100}, (uint64_t{1} << 20) - 1, uint64_t{1} << 20,
                               (uint64_t{1} << 20) + 1, uint64_t{40} << 20}) {
    Block block(tally.kv, bytes, "a test");
    CHECK(reinterpret_cast<uintptr_t>(block.at<char>(0)) % 64 == 0);
    std::memset(block.at<char>(0), 7, bytes);
    CHECK(*block.at<char>(bytes - 1) == 7);
    CHECK(block.bytes() == bytes);
    CHECK(tally.read().kv == bytes);

    Block other(tally.kv, 10, "another");
    other = std::move(block);
    CHECK(other.bytes() == bytes);
    CHECK(*other.at<char>(bytes - 1) == 7);
  }
  CHECK(tally.read().kv == 0);
  const Block none(tally.kv, 0, "nothing");
  CHECK(none.at<char>(0) == nullptr);
}

TEST_CASE("memory that the system refuses is an error that names its purpose") {
  Tally tally;
  try {
    const Block block(tally.kv, uint64_t{1} << 60, "a very large cache");
    FAIL("1 EiB was given");
  } catch (const Error& error) {
    CHECK(error.status() == KIGO_OUT_OF_MEMORY);
    CHECK(std::string(error.what()).find("a very large cache") != std::string::npos);
  }
  CHECK(tally.read().kv == 0);
}

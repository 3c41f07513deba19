#include "agent/io/zip.h"

#include <catch2/catch.hpp>
#include <string>

#include "agent/base/file.h"
#include "agent/base/program_output.h"
#include "tests/support/temp_dir.h"

namespace agent::io {

TEST_CASE("zip: python reads back what was added, with its name, time and mode") {
  Zip zip(1'700'000'001);
  const std::string long_text(300'000, 'x');
  REQUIRE(zip.add("a/one.txt", "first\n"));
  REQUIRE(zip.add("a/empty", ""));
  REQUIRE(zip.add("a/ä.txt", long_text));
  TempDir dir;
  const std::string file = (dir / "out.zip").string();
  const std::string bytes = zip.take();
  CHECK(bytes.size() < 2000);
  REQUIRE(write_file_atomic(file, bytes));
  const char* const script =
      "import sys, zipfile\n"
      "with zipfile.ZipFile(sys.argv[1]) as z:\n"
      "  assert z.testzip() is None\n"
      "  for i in z.infolist():\n"
      "    print(i.filename, i.date_time, oct(i.external_attr >> 16), len(z.read(i)), "
      "z.read(i)[:5])\n";
  const auto said = program_output(
      {"/usr/bin/env", "PYTHONIOENCODING=utf-8", "/usr/bin/python3", "-c", script, file}, 10'000);
  REQUIRE(said);
  CHECK(*said ==
        "a/one.txt (2023, 11, 14, 22, 13, 20) 0o100600 6 b'first'\n"
        "a/empty (2023, 11, 14, 22, 13, 20) 0o100600 0 b''\n"
        "a/ä.txt (2023, 11, 14, 22, 13, 20) 0o100600 300000 b'xxxxx'\n");
}

TEST_CASE("zip: what was taken is gone") {
  Zip zip(0);
  REQUIRE(zip.add("one", "1"));
  CHECK(zip.take().size() > 22);
  CHECK(zip.take().size() == 22);  // the end of an empty archive
}

}  // namespace agent::io

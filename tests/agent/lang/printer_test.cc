#include "agent/lang/printer.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "agent/lang/parser.h"

namespace agent::lang {
namespace {

std::string formatted(std::string_view text) {
  Diagnostics diagnostics;
  auto out = format(text, "x.alloy", diagnostics);
  if (!out)
    return "error: " + (diagnostics.empty() ? out.error().message : diagnostics.all()[0].message);
  return *out;
}

struct Case {
  const char* what;
  const char* source;
  const char* printed;
};

const Case kCases[] = {
    {"nothing", "", ""},
    {"blank lines only", "\n\n\n", ""},
    {"one final line end", "a = 1\n\n\n\n", "a = 1\n"},
    {"tabs, and = aligned in a run", "b \"x\" {\n  a = 1\n  long_name = 2\n}",
     "b \"x\" {\n\ta         = 1\n\tlong_name = 2\n}\n"},
    {"a blank line ends a run, only one is kept", "a = 1\nbb = 2\n\n\n\nccc = 3\n",
     "a  = 1\nbb = 2\n\nccc = 3\n"},
    {"a comment line ends a run", "a = 1\n// c\nbbb = 2\n", "a = 1\n// c\nbbb = 2\n"},
    {"a value over lines is the last of its run", "a = 1\nbbb = [\n1,\n2]\ncc = 3\ndddd = 4\n",
     "a   = 1\nbbb = [\n\t1,\n\t2]\ncc   = 3\ndddd = 4\n"},
    {"a blank line before a block", "a = 1\nb {\n}\nc {\n}\n", "a = 1\n\nb { }\n\nc { }\n"},
    {"nothing is added behind a block", "b {\nc = 1\n}\na = 1\n", "b {\n\tc = 1\n}\na = 1\n"},
    {"an empty block", "b {}\n\nc \"d\" {\n\n}", "b { }\n\nc \"d\" { }\n"},
    {"an empty label goes", "b \"\" {}", "b { }\n"},
    {"a block on one line is opened", "b { a = 1 }", "b {\n\ta = 1\n}\n"},
    {"a dotted name is joined", "a . b . c \"d\" {}", "a.b.c \"d\" { }\n"},
    {"an object on one line", "a = { b = 1, \"c\" = 2, }", "a = {b = 1, \"c\" = 2}\n"},
    {"an object over lines", "a = {\nb = 1,\nlong = [2],\n\"c d\" = 3\n}",
     "a = {\n\tb     = 1,\n\tlong  = [2],\n\t\"c d\" = 3,\n}\n"},
    {"an object's run ends behind a value over lines",
     "a = {\n b = 1,\n ccc = {\n d = 1,\n },\n eeeee = 2,\n f = 3,\n}\n",
     "a = {\n\tb   = 1,\n\tccc = {\n\t\td = 1,\n\t},\n\teeeee = 2,\n\tf     = 3,\n}\n"},
    {"an object without its last comma", "a = {\nb = 1\n}", "a = {\n\tb = 1,\n}\n"},
    {"empty brackets", "a = {\n}\nb = [\n]\nc = f(\n)\n", "a = {}\nb = []\nc = f()\n"},
    {"lists keep their line breaks", "a = [1, 2,\n3,4,\n]\nb = [ 1 , 2, ]\n",
     "a = [1, 2,\n\t3, 4,\n]\nb = [1, 2]\n"},
    {"a list that opens on the next line and closes on the last item's", "a = [\n1,\n2]",
     "a = [\n\t1,\n\t2]\n"},
    {"objects in lists", "a = [{\n\"b\" = 1,\n}, {\"b\" = 2}]\nc = [\n{d = 1},\n{d = 2},\n]\n",
     "a = [{\n\t\"b\" = 1,\n}, {\"b\" = 2}]\nc = [\n\t{d = 1},\n\t{d = 2},\n]\n"},
    {"calls", "a = f(1,2 ,3)\nb = f(1,\n2, 3,\n4)\nc = f(\n1,\n2,\n)\nd = f({\na = 1,\n})\n",
     "a = f(1, 2, 3)\nb = f(1,\n\t2, 3,\n\t4)\nc = f(\n\t1,\n\t2,\n)\nd = f({\n\ta = 1,\n})\n"},
    {"operators get blanks, unary ones none", "a = 1+2*-3 ^ 4\nb = ! c||(d&&e)\n",
     "a = 1 + 2 * -3 ^ 4\nb = !c || (d && e)\n"},
    {"a line break behind an operator goes", "a = 1 +\n  2\n", "a = 1 + 2\n"},
    {"access and index", "a = b . c [ 0 ] . d\n", "a = b.c[0].d\n"},
    {"a number and a dot stay apart", "a = 1 .b\n", "a = 1 .b\n"},
    {"literals stay as they are written", "a = 010\nb = \"\\x41\"\nc = .5\nd = 1E3\n",
     "a = 010\nb = \"\\x41\"\nc = .5\nd = 1E3\n"},
    {"raw strings are kept to the byte", "b {\n  a = `one \n\ttwo\tx  \n   three`\n  c = 1\n}\n",
     "b {\n\ta = `one \n\ttwo\tx  \n   three`\n\tc = 1\n}\n"},
    {"neighbouring comments behind attributes line up",
     "a = 1 // one\nlong = 222 // two\n\nb = 3 // three\n",
     "a    = 1   // one\nlong = 222 // two\n\nb = 3 // three\n"},
    {"a comment behind some attributes of a run", "a = 1\nlong = 222 // two\nb = 3333\n",
     "a    = 1\nlong = 222 // two\nb    = 3333\n"},
    {"comments in blocks are indented", "b {\n// one\na = 1\n// two\n\n// three\n}\n",
     "b {\n\t// one\n\ta = 1\n\t// two\n\n\t// three\n}\n"},
    {"a block with nothing but a comment", "b {\n// one\n}\n", "b {\n\t// one\n}\n"},
    {"a comment behind the brace", "b { // one\na = 1\n}\nc { // two\n}\n",
     "b { // one\n\ta = 1\n}\n\nc { // two\n}\n"},
    {"a comment in front of a block", "a = 1\n\n\n// one\n// two\nb { }\n",
     "a = 1\n\n// one\n// two\nb { }\n"},
    {"the file's first and last comments", "\n\n// one\n\na = 1\n\n// two",
     "// one\n\na = 1\n\n// two\n"},
    {"only comments", "// one\n\n\n\n/* two */\n", "// one\n\n/* two */\n"},
    {"comments in lists", "a = [ // one\n1, 2, // two\n// three\n3,\n// four\n]\n",
     "a = [ // one\n\t1, 2, // two\n\t// three\n\t3,\n\t// four\n]\n"},
    {"comments in objects", "a = {\n// one\nb = 1, // two\nlong = 2, // three\n// four\n}\n",
     "a = {\n\t// one\n\tb    = 1, // two\n\tlong = 2, // three\n\t// four\n}\n"},
    {"a comment behind a call's last argument stays there", "a = f(\n1, // one\n2, // two\n)\n",
     "a = f(\n\t1, // one\n\t2, // two\n)\n"},
    {"comments inside a line", "a = /* one */ 1\nb = [1, /* two */ 2]\n",
     "a = /* one */ 1\nb = [1, /* two */ 2]\n"},
    {"a comment over lines is kept to the byte", "b {\n  /* one\n     two */\n  a = 1\n}\n",
     "b {\n\t/* one\n     two */\n\ta = 1\n}\n"},
    {"wide characters count as one column",
     "größe = 1\na = 2 // ü\nb = \"ü\" // x\nc = \"uu\" // y\n",
     "größe = 1\na     = 2    // ü\nb     = \"ü\"  // x\nc     = \"uu\" // y\n"},
    {"carriage returns go", "a = 1 // one\r\nb = `x\r\ny`\r\n", "a = 1 // one\nb = `x\ny`\n"},
    {"what does not parse is refused", "a = ", "error: expected expression, got end of file"},
};

}  // namespace

TEST_CASE("printer: fmt prints the canonical form") {
  for (const Case& c : kCases) {
    INFO(c.what);
    CHECK(formatted(c.source) == c.printed);
  }
}

TEST_CASE("printer: printing what was printed changes nothing") {
  for (const Case& c : kCases) {
    if (std::string_view(c.printed).starts_with("error")) continue;
    INFO(c.what);
    Diagnostics diagnostics;
    const File file = parse(c.printed, "x", diagnostics);
    REQUIRE_FALSE(diagnostics.has_errors());
    std::string printed = print(file);
    if (!printed.empty()) printed += '\n';
    CHECK(printed == c.printed);
  }
}

TEST_CASE("printer: comments in odd places are kept, and come to rest") {
  for (const char* source : {"a /* one */ = 1\n",
                             "a = // one\n1\n",
                             "b /* one */ \"x\" /* two */ { /* three */ }\n",
                             "a = f( /* one */ )\n",
                             "a = f( // one\n)\n",
                             "a = [ // one\n]\n",
                             "a = { // one\n}\n",
                             "a = 1 /* one */ + /* two */ 2\n",
                             "a = 1 + // one\n2\n",
                             "a = b /* one */ . /* two */ c\n",
                             "a = b. // one\nc\n",
                             "a = [1 /* one */, 2]\n",
                             "a = { b /* one */ = 2 }\n",
                             "a = ( // one\n1)\n",
                             "a = - // one\n1\n",
                             "a = b[ // one\n0]\n",
                             "/* one */ a = 1 /* two */ // three\n",
                             "b { a = 1 /* one */ }\n",
                             "a = [\n1, /* one\n two */ 2,\n]\n",
                             "a . /* one */ b { }\n"}) {
    INFO(source);
    const std::string once = formatted(source);
    CHECK(once.substr(0, 6) != "error:");
    CHECK(formatted(once) == once);
    CHECK(once.find("one") != std::string::npos);
    if (std::string_view(source).find("two") != std::string_view::npos)
      CHECK(once.find("two") != std::string::npos);
  }
}

TEST_CASE("printer: the configurations of the users' documents parse, and come to rest") {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(SOURCE_DIR "/tests/fixtures/seeds")) {
    if (entry.path().extension() != ".alloy") continue;
    INFO(entry.path());
    std::ifstream stream(entry.path());
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    const std::string once = formatted(text);
    CHECK(once.substr(0, 6) != "error:");
    CHECK(formatted(once) == once);
    ++files;
  }
  CHECK(files >= 10);
}

TEST_CASE("printer: a comment that users begin with # is printed as Alloy wants it") {
  CHECK(formatted("# one\na = 1 #two\n#\n## four\nb = [ # five\n1,\n]\n") ==
        "// one\na = 1 //two\n//\n//# four\nb = [ // five\n\t1,\n]\n");
}

}  // namespace agent::lang

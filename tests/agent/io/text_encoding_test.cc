#include "agent/io/text_encoding.h"

#include <catch2/catch.hpp>

namespace agent::io {
namespace {

using namespace std::string_view_literals;

std::string decode(std::string_view encoding, std::string_view bytes) {
  const TextEncoding* found = find_encoding(encoding);
  REQUIRE(found != nullptr);
  auto decoder = TextDecoder::open(*found);
  REQUIRE(decoder);
  std::string out;
  decoder->decode(bytes, out);
  return out;
}

}  // namespace

TEST_CASE("text encoding: every one has a converter, and its newline is one") {
  for (const TextEncoding* encoding : all_encodings()) {
    INFO(encoding->name);
    auto decoder = TextDecoder::open(*encoding);
    REQUIRE(decoder);
    std::string newline(encoding->width, '\0');
    newline[encoding->big_endian ? encoding->width - 1U : 0U] = encoding->newline;
    std::string out;
    decoder->decode(newline, out);
    CHECK(out == "\n");
  }
}

TEST_CASE("text encoding: names are found whatever their case and punctuation") {
  for (const char* name : {"ISO-8859-1", "iso_8859-1:1987", "Latin1", "l1", "CP819"})
    CHECK(find_encoding(name)->name == "ISO-8859-1"sv);
  CHECK(find_encoding("windows-1252")->name == "WINDOWS-1252"sv);
  CHECK(find_encoding("Shift_JIS")->name == "CP932"sv);
  CHECK(find_encoding("utf-16")->big_endian);
  CHECK(find_encoding("")->is_utf8());
  CHECK(find_encoding("UTF-8")->is_utf8());
  for (const char* name : {"utf-9", "//TRANSLIT", "utf", "x"}) CHECK_FALSE(find_encoding(name));
}

TEST_CASE("text encoding: text becomes UTF-8") {
  CHECK(decode("latin1", "gr\xFC\xDF") == "grüß");
  CHECK(decode("windows-1252", "5 \x80") == "5 €");
  CHECK(decode("windows-1251", "\xEF\xF0\xE8\xE2\xE5\xF2") == "привет");
  CHECK(decode("koi8-r", "\xD0\xD2\xC9\xD7\xC5\xD4") == "привет");
  CHECK(decode("utf-16le", "a\0\xAC\x20"sv) == "a€");
  CHECK(decode("utf-16be", "\0a\xD8\x3D\xDE\x00"sv) == "a😀");
  CHECK(decode("utf-32le", "\x00\xF6\x01\0"sv) == "😀");
  CHECK(decode("shift_jis", "\x93\xFA\x96{") == "日本");
  CHECK(decode("euc-kr", "\xC7\xD1") == "한");
  CHECK(decode("gbk", "\xD6\xD0") == "中");
  CHECK(decode("big5", "\xA4\xA4") == "中");
  CHECK(decode("iso-2022-jp", "\x1B$BF|K\\\x1B(B") == "日本");
  CHECK(decode("ibm037", "\x88\x85\x93\x93\x96") == "hello");
}

TEST_CASE("text encoding: what is not valid becomes one replacement for each unit") {
  CHECK(decode("utf-16le",
               "a\0\x00\xD8"
               "b\0"sv) == "a\uFFFDb");
  CHECK(decode("utf-16le", "a\0b"sv) == "a\uFFFD");
  CHECK(decode("utf-32be", "\0\0\0a\x7F\xFF\xFF\xFF\0\0\0b"sv) == "a\uFFFDb");
  CHECK(decode("shift_jis", "a\x93") == "a\uFFFD");
  CHECK(decode("windows-1252",
               "a\x81"
               "b") == "a\uFFFDb");
}

TEST_CASE("text encoding: long text is converted in pieces") {
  CHECK(decode("latin1", std::string(100'000, '\xFC')).size() == 200'000);
  CHECK(decode("windows-1252", std::string(10'000, '\x81')).size() == 30'000);
}

TEST_CASE("text encoding: the byte order mark wins over the configured name") {
  const TextEncoding& latin = *find_encoding("latin1");
  const auto check = [](std::string_view head, const TextEncoding& wanted, std::string_view name,
                        std::size_t size) {
    const ByteOrderMark mark = byte_order_mark(head, wanted);
    CHECK(mark.encoding->name == name);
    CHECK(mark.size == size);
  };
  check("\xEF\xBB\xBFx", latin, "", 3);
  check("\xFF\xFEx\0"sv, latin, "UTF-16LE", 2);
  check("\xFE\xFF\0x"sv, latin, "UTF-16BE", 2);
  check("\xFF\xFE\0\0"sv, utf8(), "UTF-32LE", 4);
  check("\xFF\xFE\0\0"sv, *find_encoding("utf-16"), "UTF-16LE", 2);
  check("\0\0\xFE\xFF"sv, utf8(), "UTF-32BE", 4);
  check("plain", latin, "ISO-8859-1", 0);
  check("", utf8(), "", 0);
}

}  // namespace agent::io

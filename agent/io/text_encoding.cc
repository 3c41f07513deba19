#include "agent/io/text_encoding.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>

namespace agent::io {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char kEbcdicNewline = 0x25;

// Names and aliases: https://www.iana.org/assignments/character-sets. The Asian ones are read as
// https://encoding.spec.whatwg.org does, which is what their files hold: Shift_JIS with Windows'
// additions, EUC-KR with those of code page 949, Big5 with Hong Kong's.
constexpr TextEncoding kEncodings[] = {
    {"",
     "utf8 csutf8 usascii ascii ansix341968 ansix341986 isoir6 iso646irv1991 iso646us us "
     "ibm367 cp367 csascii"},
    {"UTF-16BE", "utf16 csutf16 utf16be csutf16be", 2, true},
    {"UTF-16LE", "utf16le csutf16le", 2},
    {"UTF-32BE", "utf32 csutf32 utf32be csutf32be", 4, true},
    {"UTF-32LE", "utf32le csutf32le", 4},
    {"ISO-8859-1", "iso88591 iso885911987 isoir100 latin1 l1 ibm819 cp819 csisolatin1"},
    {"ISO-8859-2", "iso88592 iso885921987 isoir101 latin2 l2 csisolatin2"},
    {"ISO-8859-3", "iso88593 iso885931988 isoir109 latin3 l3 csisolatin3"},
    {"ISO-8859-4", "iso88594 iso885941988 isoir110 latin4 l4 csisolatin4"},
    {"ISO-8859-5", "iso88595 iso885951988 isoir144 cyrillic csisolatincyrillic"},
    {"ISO-8859-6",
     "iso88596 iso885961987 isoir127 ecma114 asmo708 arabic csisolatinarabic "
     "iso88596e csiso88596e iso88596i csiso88596i"},
    {"ISO-8859-7", "iso88597 iso885971987 isoir126 elot928 ecma118 greek greek8 csisolatingreek"},
    {"ISO-8859-8",
     "iso88598 iso885981988 isoir138 hebrew csisolatinhebrew iso88598e csiso88598e "
     "iso88598i csiso88598i"},
    {"ISO-8859-9", "iso88599 iso885991989 isoir148 latin5 l5 csisolatin5"},
    {"ISO-8859-10", "iso885910 iso8859101992 isoir157 latin6 l6 csisolatin6"},
    {"ISO-8859-13", "iso885913 csiso885913"},
    {"ISO-8859-14", "iso885914 iso8859141998 isoir199 latin8 isoceltic l8 csiso885914"},
    {"ISO-8859-15", "iso885915 latin9 csiso885915"},
    {"ISO-8859-16", "iso885916 iso8859162001 isoir226 latin10 l10 csiso885916"},
    {"WINDOWS-1250", "windows1250 cswindows1250"},
    {"WINDOWS-1251", "windows1251 cswindows1251"},
    {"WINDOWS-1252", "windows1252 cswindows1252"},
    {"WINDOWS-1253", "windows1253 cswindows1253"},
    {"WINDOWS-1254", "windows1254 cswindows1254"},
    {"WINDOWS-1255", "windows1255 cswindows1255"},
    {"WINDOWS-1256", "windows1256 cswindows1256"},
    {"WINDOWS-1257", "windows1257 cswindows1257"},
    {"WINDOWS-1258", "windows1258 cswindows1258"},
    {"CP874", "windows874 cswindows874 tis620 cstis620 iso885911"},
    {"KOI8-R", "koi8r cskoi8r"},
    {"KOI8-U", "koi8u cskoi8u"},
    {"MACINTOSH", "macintosh mac csmacintosh"},
    {"MAC-CYRILLIC", "xmaccyrillic maccyrillic"},
    {"IBM437", "ibm437 cp437 437 cspc8codepage437"},
    {"IBM850", "ibm850 cp850 850 cspc850multilingual"},
    {"IBM852", "ibm852 cp852 852 cspcp852"},
    {"IBM855", "ibm855 cp855 855 csibm855"},
    {"IBM858", "ibm00858 ccsid00858 cp00858 pcmultilingual850euro csibm00858 ibm858 cp858"},
    {"IBM860", "ibm860 cp860 860 csibm860"},
    {"IBM862", "ibm862 cp862 862 cspc862latinhebrew"},
    {"IBM863", "ibm863 cp863 863 csibm863"},
    {"IBM865", "ibm865 cp865 865 csibm865"},
    {"IBM866", "ibm866 cp866 866 csibm866"},
    {"IBM037", "ibm037 cp037 ebcdiccpus ebcdiccpca ebcdiccpwt ebcdiccpnl csibm037", 1, false,
     kEbcdicNewline},
    {"IBM1047", "ibm1047 csibm1047", 1, false, kEbcdicNewline},
    {"IBM1140", "ibm01140 ccsid01140 cp01140 ebcdicus37euro csibm01140 ibm1140", 1, false,
     kEbcdicNewline},
    {"CP932", "shiftjis mskanji csshiftjis windows31j cswindows31j sjis"},
    {"EUC-JP-MS", "eucjp extendedunixcodepackedformatforjapanese cseucpkdfmtjapanese"},
    {"ISO-2022-JP", "iso2022jp csiso2022jp"},
    {"UHC", "euckr cseuckr"},
    {"GBK", "gbk cp936 ms936 windows936 csgbk gb2312 csgb2312"},
    {"GB18030", "gb18030 csgb18030"},
    {"BIG5-HKSCS", "big5 csbig5 big5hkscs csbig5hkscs"},
};

const TextEncoding* const kUtf16Be = &kEncodings[1];
const TextEncoding* const kUtf16Le = &kEncodings[2];
const TextEncoding* const kUtf32Be = &kEncodings[3];
const TextEncoding* const kUtf32Le = &kEncodings[4];

bool is_word_of(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (text.substr(0, end) == word) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

bool begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

iconv_t converter_of(void* handle) { return static_cast<iconv_t>(handle); }

}  // namespace

const TextEncoding& utf8() { return kEncodings[0]; }

const TextEncoding* find_encoding(std::string_view name) {
  if (name.empty()) return &utf8();
  std::string word;
  for (const char c : name) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += c;
    } else if (c >= 'A' && c <= 'Z') {
      word += static_cast<char>(c - 'A' + 'a');
    }
  }
  for (const TextEncoding& encoding : kEncodings)
    if (is_word_of(encoding.aliases, word)) return &encoding;
  return nullptr;
}

std::vector<const TextEncoding*> all_encodings() {
  std::vector<const TextEncoding*> out;
  for (const TextEncoding& encoding : kEncodings) out.push_back(&encoding);
  return out;
}

ByteOrderMark byte_order_mark(std::string_view head, const TextEncoding& wanted) {
  using namespace std::string_view_literals;
  if (begins(head, "\xEF\xBB\xBF"sv)) return {&utf8(), 3};
  // The same bytes begin a UTF-16 text whose first character is NUL.
  if (wanted.width != 2 && begins(head, "\xFF\xFE\0\0"sv)) return {kUtf32Le, 4};
  if (begins(head, "\xFF\xFE"sv)) return {kUtf16Le, 2};
  if (begins(head, "\xFE\xFF"sv)) return {kUtf16Be, 2};
  if (begins(head, "\0\0\xFE\xFF"sv)) return {kUtf32Be, 4};
  return {&wanted, 0};
}

Result<TextDecoder> TextDecoder::open(const TextEncoding& encoding) {
  const iconv_t converter = ::iconv_open("UTF-8", encoding.is_utf8() ? "UTF-8" : encoding.name);
  if (converter == reinterpret_cast<iconv_t>(-1))
    return fail(ErrorCode::kUnavailable,
                "this system's C library has no converter for " + std::string(encoding.name));
  return TextDecoder(converter, encoding.width);
}

TextDecoder::TextDecoder(TextDecoder&& other) noexcept
    : converter_(std::exchange(other.converter_, nullptr)), width_(other.width_) {}

TextDecoder::~TextDecoder() {
  if (converter_ != nullptr) ::iconv_close(converter_of(converter_));
}

void TextDecoder::decode(std::string_view bytes, std::string& out) {
  ::iconv(converter_of(converter_), nullptr, nullptr, nullptr, nullptr);
  char* in = const_cast<char*>(bytes.data());  // iconv's signature; it does not write there
  std::size_t in_left = bytes.size();
  std::array<char, 1024> buffer;
  while (in_left > 0) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t done = ::iconv(converter_of(converter_), &in, &in_left, &to, &room);
    const int number = errno;
    out.append(buffer.data(), buffer.size() - room);
    if (done != static_cast<std::size_t>(-1) || number == E2BIG) continue;
    // Not valid, or only the beginning of a character.
    out += kReplacement;
    const std::size_t skipped = number == EINVAL ? in_left : std::min(width_, in_left);
    in += skipped;
    in_left -= skipped;
  }
  // What a converter kept back to see whether it combines.
  char* to = buffer.data();
  std::size_t room = buffer.size();
  ::iconv(converter_of(converter_), nullptr, nullptr, &to, &room);
  out.append(buffer.data(), buffer.size() - room);
}

}  // namespace agent::io

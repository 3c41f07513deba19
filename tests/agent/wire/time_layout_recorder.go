// Records what Go makes of times in text, for tests/agent/wire/time_layout_test.cc.
//
//	go run tests/agent/wire/time_layout_recorder.go > tests/golden/time_layouts/go.tsv
//
// One case a line: layout, location, text, and nanoseconds since 1970, "error", or, for a layout
// without a year, "no year" and the nanoseconds that it is in 2024 (AddDate, as a reader near the
// middle of that year would do it).
package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

var named = map[string]string{
	"ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate,
	"RFC822": time.RFC822, "RFC822Z": time.RFC822Z, "RFC850": time.RFC850,
	"RFC1123": time.RFC1123, "RFC1123Z": time.RFC1123Z,
	"RFC3339": time.RFC3339, "RFC3339Nano": time.RFC3339Nano,
}

var layouts = []string{
	"ANSIC", "UnixDate", "RubyDate", "RFC822", "RFC822Z", "RFC850", "RFC1123", "RFC1123Z",
	"RFC3339", "RFC3339Nano",
	"2006-01-02 15:04:05", "2006-01-02 15:04:05.000", "2006-01-02 15:04:05,000",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.000000Z0700", "2006/01/02 15:04:05",
	"02/Jan/2006:15:04:05 -0700", "02 Jan 2006 15:04:05.000 MST", "Jan 2, 2006 at 3:04pm (MST)",
	"Monday, January 2 2006 03:04:05 PM", "20060102150405", "06-1-2 15:4:5", "2006-002 15:04",
	"2006-__2 15:04", "_2 Jan 2006 15:04:05 -07", "2006-01-02 15:04:05 -07:00",
	"2006-01-02 15:04:05 -07:00:00", "2006-01-02 15:04:05 -070000", "2006-01-02T15:04:05Z07",
	"2006-01-02T15:04:05Z070000", "2006-01-02T15:04:05Z07:00:00", "Month Jan 2006-02 15h04m05s",
	"2006-01-02 15:04:05.0", "15:04:05.000000000 2006-01-02", "2006.01.02 15:04",
	"Jan _2 15:04:05", "Jan 2 15:04:05", "01-02 15:04:05.000", "Jan _2 15:04:05.999",
	"Mon Jan _2 15:04:05 -0700", "3:04PM", "15:04:05", "02.01. 15:04",
}

var locations = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"}

var instants = []time.Time{
	time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC),
	time.Date(2019, 7, 4, 9, 5, 7, 0, time.UTC),
	time.Date(1999, 12, 31, 0, 0, 0, 500000000, time.UTC),
}

// Texts that a layout's own text is turned into.
var changes = []func(string) string{
	func(s string) string { return s[:len(s)-1] },
	func(s string) string { return s + "Z" },
	func(s string) string { return s + " " },
	func(s string) string { return " " + s },
	func(s string) string { return strings.ToUpper(s) },
	func(s string) string { return strings.ToLower(s) },
	func(s string) string { return strings.Replace(s, "0", "9", 1) },
	func(s string) string { return strings.Replace(s, " ", "  ", 1) },
	func(s string) string { return strings.Replace(s, ":", "", 1) },
	func(s string) string { return strings.Replace(s, ".", ",", 1) },
}

var single = [][3]string{
	{"2006-01-02 15:04:05", "UTC", "2024-01-02 03:04:05.678"},
	{"2006-01-02 15:04:05", "UTC", "2024-01-02 03:04:05,678"},
	{"2006-01-02 15:04:05", "UTC", "2024-01-02 03:04:05.1234567891"},
	{"2006-01-02 15:04:05", "UTC", "2024-01-02 3:04:05"},
	{"2006-01-02 15:04:05", "UTC", "2024-1-2 03:04:05"},
	{"2006-01-02 15:04:05", "UTC", "2023-02-29 00:00:00"},
	{"2006-01-02 15:04:05", "UTC", "2024-04-31 00:00:00"},
	{"2006-01-02 15:04:05", "UTC", "2024-00-10 00:00:00"},
	{"2006-01-02 15:04:05", "UTC", "2024-13-10 00:00:00"},
	{"2006-01-02 15:04:05", "UTC", "2024-01-10 24:00:00"},
	{"2006-01-02 15:04:05", "UTC", "2024-01-10 23:60:00"},
	{"2006-01-02 15:04:05", "UTC", "2024-01-10 23:59:60"},
	{"2006-01-02 15:04:05", "UTC", ""},
	{"2006-01-02 15:04:05", "Europe/Berlin", "2024-03-31 02:30:00"},
	{"2006-01-02 15:04:05", "Europe/Berlin", "2024-03-31 01:59:59"},
	{"2006-01-02 15:04:05", "Europe/Berlin", "2024-03-31 03:00:00"},
	{"2006-01-02 15:04:05", "Europe/Berlin", "2024-10-27 02:30:00"},
	{"2006-01-02 15:04:05", "Europe/Berlin", "2024-10-27 01:59:59"},
	{"2006-01-02 15:04:05", "Europe/Berlin", "2024-10-27 03:00:00"},
	{"2006-01-02 15:04:05", "America/New_York", "2024-03-10 02:30:00"},
	{"2006-01-02 15:04:05", "America/New_York", "2024-11-03 01:30:00"},
	{"2006-01-02 15:04:05", "Australia/Lord_Howe", "2024-04-07 01:45:00"},
	{"2006-01-02 15:04:05", "Australia/Lord_Howe", "2024-10-06 02:10:00"},
	{"2006-01-02 15:04:05", "Asia/Kathmandu", "1985-12-31 23:59:59"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-01-10 12:00:00 CET"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-01-10 12:00:00 CEST"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 CET"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 EST"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 UTC"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 GMT"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 GMT+3"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 GMT-11"},
	{"2006-01-02 15:04:05 MST", "Europe/Berlin", "2024-07-10 12:00:00 GMT+30"},
	{"2006-01-02 15:04:05 MST", "Europe/London", "2024-07-10 12:00:00 GMT"},
	{"2006-01-02 15:04:05 MST", "Europe/London", "2024-07-10 12:00:00 BST"},
	{"2006-01-02 15:04:05 MST", "America/New_York", "2024-07-10 12:00:00 EST"},
	{"2006-01-02 15:04:05 MST", "America/New_York", "2024-07-10 12:00:00 EDT"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 EDT"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 PDT"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 ChST"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 MeST"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 WITA"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 AKST"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 ABCD"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 ABCDT"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 AB"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 +03"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 -0330"},
	{"2006-01-02 15:04:05 MST", "UTC", "2024-07-10 12:00:00 cest"},
	{"2006-01-02 15:04:05 -0700", "UTC", "2024-07-10 12:00:00 +2400"},
	{"2006-01-02 15:04:05 -0700", "UTC", "2024-07-10 12:00:00 +0260"},
	{"2006-01-02 15:04:05 -0700", "UTC", "2024-07-10 12:00:00 Z"},
	{"2006-01-02 15:04:05 -0700", "UTC", "2024-07-10 12:00:00 0200"},
	{"3:04PM 2006-01-02", "UTC", "12:00AM 2024-01-01"},
	{"3:04PM 2006-01-02", "UTC", "12:00PM 2024-01-01"},
	{"3:04PM 2006-01-02", "UTC", "13:00PM 2024-01-01"},
	{"3:04PM 2006-01-02", "UTC", "0:30PM 2024-01-01"},
	{"3:04PM 2006-01-02", "UTC", "1:30pm 2024-01-01"},
	{"3:04pm 2006-01-02", "UTC", "1:30PM 2024-01-01"},
	{"15:04PM 2006-01-02", "UTC", "13:30PM 2024-01-01"},
	{"15:04PM 2006-01-02", "UTC", "13:30AM 2024-01-01"},
	{"06-01-02", "UTC", "68-01-01"},
	{"06-01-02", "UTC", "69-01-01"},
	{"2006-002", "UTC", "2024-366"},
	{"2006-002", "UTC", "2023-366"},
	{"2006-002", "UTC", "2023-000"},
	{"2006-002 01", "UTC", "2024-032 02"},
	{"2006-002 01", "UTC", "2024-032 03"},
	{"2006-01-02 15:04:05.000", "UTC", "2024-01-01 00:00:00.12"},
	{"2006-01-02 15:04:05.000", "UTC", "2024-01-01 00:00:00.1234"},
	{"2006-01-02 15:04:05.000", "UTC", "2024-01-01 00:00:00"},
	{"2006-01-02 15:04:05.999", "UTC", "2024-01-01 00:00:00"},
	{"2006-01-02 15:04:05.999", "UTC", "2024-01-01 00:00:00.123456"},
	{"2006-01-02 15:04:05.999", "UTC", "2024-01-01 00:00:00."},
	{"2006-01-02 15:04:05.999", "UTC", "2024-01-01 00:00:00.1.2"},
	{"2006-01-02 15:04.000", "UTC", "2024-01-01 00:00.000"},
	{"Monday 2006-01-02", "UTC", "Friday 2024-01-01"},
	{"Mon 2006-01-02", "UTC", "Frx 2024-01-01"},
	{"January 2 2006", "UTC", "Feb 1 2024"},
	{"Jan 2 2006", "UTC", "February 1 2024"},
	{"Jan 2 2006", "UTC", "fEB 1 2024"},
	{"2 2006", "UTC", "29 2024"},
	{"2006", "UTC", "2024"},
	{"2006", "Europe/Berlin", "2024"},
	{"2006-01-02 _2", "UTC", "2024-01-02  2"},
	{"2006-01-02", "UTC", "1677-01-01"},
	{"_2006-01-02", "UTC", "_2024-01-02"},
	{"2006-01-02 15:04:05 (extra text)", "UTC", "2024-01-02 00:00:00 (extra text)"},
	{"2006-01-02 15:04:05 (extra text)", "UTC", "2024-01-02 00:00:00 (other text)"},
	{"2006-01-02  15:04", "UTC", "2024-01-02 10:00"},
	{"2006-01-02 15:04", "UTC", "2024-01-02  10:00"},
	{"Jan _2 15:04:05", "UTC", "Feb 29 00:00:00"},
	{"Jan _2 15:04:05", "UTC", "Feb 30 00:00:00"},
	{"Jan _2 15:04:05", "Europe/Berlin", "Jul  1 00:30:00"},
	{"Jan _2 15:04:05 -0700", "Europe/Berlin", "Jul  1 00:30:00 +0900"},
	{"Jan _2 15:04:05 MST", "Europe/Berlin", "Jul  1 00:30:00 PST"},
	{"Jan _2 15:04:05 MST", "Europe/Berlin", "Jul  1 00:30:00 UTC"},
}

func record(layout, location, text string) {
	loc, err := time.LoadLocation(location)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	real, ok := named[layout]
	if !ok {
		real = layout
	}
	t, err := time.ParseInLocation(real, text, loc)
	result := ""
	switch {
	case err != nil:
		result = "error"
	case t.Year() == 0 && !strings.Contains(real, "06"):
		result = fmt.Sprintf("no year %d", t.AddDate(2024, 0, 0).UnixNano())
	case t.Year() < 1678 || t.Year() > 2261:
		result = "error" // what 64 bits of nanoseconds cannot hold
	default:
		result = fmt.Sprintf("%d", t.UnixNano())
	}
	fmt.Printf("%s\t%s\t%s\t%s\n", layout, location, text, result)
}

func main() {
	for i, layout := range layouts {
		real, ok := named[layout]
		if !ok {
			real = layout
		}
		for j, location := range locations {
			loc, _ := time.LoadLocation(location)
			for k, instant := range instants {
				text := instant.In(loc).Format(real)
				record(layout, location, text)
				// One change each, another one for each layout and location.
				if change := changes[(i*7+j*3+k)%len(changes)](text); change != text {
					record(layout, location, change)
				}
			}
		}
	}
	for _, one := range single {
		record(one[0], one[1], one[2])
	}
}

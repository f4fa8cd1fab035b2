# SPDX-License-Identifier: ISC
# json.awk: JSON in; out a line "path TAB value" for each value that is not
# null. Exits 1 if it is not JSON (RFC 8259), not UTF-8, or cut off; it has to
# end with a line break.
#
# In a value \001 is a line break, and U+FFFD whatever a terminal would obey or
# be misled by: control characters, and those that turn the direction of text.
#
# rows=1: only what the list in the outer object holds, as it came, in a line.
#
# Strings are found by their quotes, as records; what stands between them is
# read by the character. So a page of a megabyte is read in one go.

BEGIN {
	RS = "\""
	want = "v"	# value; f: value or the end of a list; k: key or the
			# end of an object; n: key; c: colon; a: what may
			# come after a value
	null = "\002"
	replaced = "\357\277\275"
	hostile = "\177|\302[\200-\237]|\330\234|" \
	    "\342\200[\216\217\250-\256]|\342\201[\246-\251]"
	utf8 = "^([\001-\177]|[\302-\337][\200-\277]|" \
	    "\340[\240-\277][\200-\277]|" \
	    "[\341-\354\356\357][\200-\277][\200-\277]|" \
	    "\355[\200-\237][\200-\277]|" \
	    "\360[\220-\277][\200-\277][\200-\277]|" \
	    "[\361-\363][\200-\277][\200-\277][\200-\277]|" \
	    "\364[\200-\217][\200-\277][\200-\277])*$"
}

!inside {
	between($0)
	inside = 1
	next
}
{
	text = text $0
	match($0, /\\*$/)
	if (RLENGTH % 2) {	# this quote is escaped
		text = text "\""
		next
	}
	string(text)
	text = ""
	inside = 0
}

END {
	if (bad || !inside || want != "a" || depth)
		exit 1
	if (rows)
		print ""
}

function broken() {
	bad = 1
	exit 1
}

# --- what stands where -----------------------------------------------------

function path() {
	return depth ? before[depth] name[depth] : ""
}

function open(bracket,   p) {
	if (want !~ /[vf]/)
		broken()
	p = path()
	kind[++depth] = bracket
	before[depth] = p == "" ? "" : p "."
	name[depth] = 0
	want = bracket == "[" ? "f" : "k"
}

function shut(bracket) {
	if (!depth || kind[depth] != bracket ||
	    want !~ (bracket == "[" ? "[fa]" : "[ka]"))
		broken()
	depth--
	want = "a"
}

function comma() {
	if (want != "a" || !depth)
		broken()
	want = kind[depth] == "[" ? "v" : "n"
	if (want == "v")
		name[depth]++
}

function item(value) {
	if (want !~ /[vf]/)
		broken()
	want = "a"
	if (!rows && value != null)
		print path() "\t" value
}

function word(w) {
	if (w !~ /^(true|false|null)$/ &&
	    w !~ /^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?$/)
		broken()
	item(w == "null" ? null : w)
}

function between(s,   i, c, d, n) {
	n = length(s)
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		d = depth
		if (c ~ /[ \t\r\n]/)
			c = " "
		else if (c == "{" || c == "[")
			open(c)
		else if (c == "}")
			shut("{")
		else if (c == "]")
			shut("[")
		else if (c == ",")
			comma()
		else if (c == ":") {
			if (want != "c")
				broken()
			want = "v"
		} else {
			if (!match(substr(s, i), /^[-+.0-9A-Za-z]+/))
				broken()
			c = substr(s, i, RLENGTH)
			word(c)
			i += RLENGTH - 1
		}
		if (rows && d > 1 && depth > 1)
			printf "%s", c
	}
}

# --- strings ---------------------------------------------------------------

function string(s) {
	if (rows && depth > 1)
		printf "\"%s\"", s
	if (s ~ /[\001-\037]/ || (s ~ /[\200-\377]/ && s !~ utf8))
		broken()
	s = unescaped(s)
	if (s ~ /[\177-\377]/)
		gsub(hostile, replaced, s)
	if (want ~ /[kn]/) {
		gsub(/[\001\t]/, " ", s)
		name[depth] = s
		want = "c"
	} else
		item(s)
}

function unescaped(s,   out, i, c, u) {
	while ((i = index(s, "\\")) > 0) {
		out = out substr(s, 1, i - 1)
		c = substr(s, i + 1, 1)
		s = substr(s, i + 2)
		if (c == "u") {
			u = hex(s)
			s = substr(s, 5)
			if (u > 55295 && u < 56320 &&
			    s ~ /^\\u[dD][c-fC-F]/) {	# a pair makes one
				u = 65536 + (u - 55296) * 1024
				u += hex(substr(s, 3)) - 56320
				s = substr(s, 7)
			}
			out = out encoded(u)
		} else if (c == "\"" || c == "\\" || c == "/")
			out = out c
		else if (c == "n")
			out = out "\001"
		else if (c == "t")
			out = out "\t"
		else if (c !~ /^[bfr]$/)	# these are left out
			broken()
	}
	return out s
}

function hex(s,   i, v, digit) {
	for (i = 1; i <= 4; i++) {
		digit = substr(s, i, 1)
		if (digit !~ /^[0-9A-Fa-f]$/)
			broken()
		v = v * 16 + index("0123456789abcdef", tolower(digit)) - 1
	}
	return v
}

function byte(n) {
	return sprintf("%c", n)
}

function encoded(u) {
	if (u == 10)
		return "\001"
	if (u == 9 || (u > 31 && u < 127))
		return byte(u)
	if (u < 160 || (u > 55295 && u < 57344))
		return replaced
	if (u < 2048)
		return byte(192 + int(u / 64)) byte(128 + u % 64)
	if (u < 65536)
		return byte(224 + int(u / 4096)) \
		    byte(128 + int(u / 64) % 64) byte(128 + u % 64)
	return byte(240 + int(u / 262144)) byte(128 + int(u / 4096) % 64) \
	    byte(128 + int(u / 64) % 64) byte(128 + u % 64)
}

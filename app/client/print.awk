# SPDX-License-Identifier: ISC
# print.awk: what table.awk and thing.awk share. v[path] is what json.awk
# printed; columns is the terminal's width, 0 when there is none.

BEGIN {
	FS = "\t"
}

function keep() {
	v[$1] = substr($0, length($1) + 2)
}

# In cells of a terminal: Chinese and the like, and emoji, take two.
function width(s,   wide) {
	gsub(/[\200-\277]/, "", s)
	wide = s
	gsub(/[^\343-\355\360-\364]/, "", wide)
	return length(s) + length(wide)
}

function pad(s, n,   w) {
	for (w = width(s); w < n; w++)
		s = s " "
	return s
}

# No longer than the terminal is wide.
function fit(s,   i, c, w, n) {
	if (!columns || width(s) <= columns)
		return s
	n = length(s)
	for (i = 1; i <= n; i++) {
		c = substr(s, i, 1)
		if (c ~ /[\200-\277]/)
			continue
		w += width(c)
		if (w >= columns)
			break
	}
	return substr(s, 1, i - 1) "\342\200\246"
}

# RFC 3339 by this machine's clock.
function clock(s, format,   y, m, days, zone) {
	if (s !~ /^[0-9]+-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:/)
		return s
	y = substr(s, 1, 4)
	m = substr(s, 6, 2) - 3		# a year that begins in March
	if (m < 0) {
		m += 12
		y--
	}
	days = y * 365 + int(y / 4) - int(y / 100) + int(y / 400)
	days += int((m * 153 + 2) / 5) + substr(s, 9, 2) - 719469
	if (s ~ /[-+][0-9][0-9]:[0-9][0-9]$/) {
		zone = substr(s, length(s) - 4, 2) * 60 + substr(s, length(s) - 1)
		if (substr(s, length(s) - 5, 1) == "-")
			zone = -zone
	}
	return strftime(format, days * 86400 + substr(s, 12, 2) * 3600 + \
	    (substr(s, 15, 2) - zone) * 60 + substr(s, 18, 2))
}

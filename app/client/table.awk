# SPDX-License-Identifier: ISC
# table.awk: rows of a list, "calls" or "messages", as they come. Lines that
# begin with "=" say that a page is over, that there are more of them, and at
# the end with which status.
#
# A terminal too narrow for every column gets fewer: of the two numbers the
# other side's, and a text on a line of its own.

$1 == "=" && $2 == "page" {
	print_page()
	next
}
$1 == "=" {
	more = more || $2 == "more"
	status = $2
	next
}
{
	keep()
}
$1 ~ ("^" list "[.][0-9]+[.]id$") {
	count++
}

END {
	if (!used && columns && !status)
		print "There are none."
	if (more)	# after the rows, wherever they go
		print "ringback: there are more: --all, or a larger " \
		    "--limit" | "cat >&2"
	close("cat >&2")
	exit status
}

function put(name, value) {
	gsub(/[\001\t]/, " ", value)
	if (value == "" && !columns)
		value = "-"
	cell[row, name] = value
	if (width(value) > w[name] && (!used || w[name]))
		w[name] = width(value)
}

function fill(p,   incoming, time) {
	incoming = v[p "direction"] == "inbound"
	time = v[p "created_at"]
	put("TIME", clock(time, "%Y-%m-%d %H:%M"))
	put("WHEN", clock(time, "%m-%d %H:%M"))
	put("DIR", incoming ? "in" : "out")
	put("FROM", v[p "from_number"])
	put("TO", v[p "to_number"])
	put("NUMBER", v[p (incoming ? "from_number" : "to_number")])
	put("STATUS", v[p "status"])
	put("SEC", v[p "duration"])
	put("TRANSCRIPT", v[p "transcription_id"] == "" ? "" : "yes")
	put("USER", v[p "user_id"])
	put("SID", v[p "sid"] == "" ? v[p "id"] : v[p "sid"])
	put("TEXT", v[p "body"])
}

# Makes these the columns; how wide they are, without the text.
function use(names,   i, sum) {
	used = split(names, head, " ")
	for (i = 1; i <= used; i++) {
		# A column of users where nobody is one is left out.
		if (w[head[i]] < length(head[i]) &&
		    !(head[i] == "USER" && columns && !w["USER"]))
			w[head[i]] = length(head[i])
		if (head[i] != "TEXT" && w[head[i]])
			sum += w[head[i]] + 2
	}
	return sum
}

function choose(   sum) {
	gap = "  "
	if (list == "calls") {
		sum = use("TIME DIR FROM TO STATUS SEC TRANSCRIPT USER SID")
		if (!columns || sum - 2 <= columns)
			return
		use("WHEN DIR NUMBER STATUS SEC SID")
	} else {
		sum = use("TIME DIR FROM TO STATUS USER SID TEXT")
		if (!columns || sum + 30 <= columns)
			return
		use("WHEN DIR NUMBER STATUS SID")
		below = 1
	}
	gap = " "
}

function print_row(r,   i, c, s) {
	for (i = 1; i <= used; i++) {
		if (!w[head[i]])
			continue
		c = r < 0 ? head[i] : cell[r, head[i]]
		while (head[i] == "SEC" && length(c) < w["SEC"])
			c = " " c
		s = s (i > 1 ? gap : "") (i < used ? pad(c, w[head[i]]) : c)
	}
	sub(/ +$/, "", s)
	print head[used] == "TEXT" ? fit(s) : s
	if (below && r >= 0 && cell[r, "TEXT"] != "")
		print fit("    " cell[r, "TEXT"])
}

function print_page(   r) {
	for (row = 0; row < count; row++)
		fill(list "." row ".")
	if (!used && count) {
		choose()
		print_row(-1)
	}
	for (r = 0; r < count; r++)
		print_row(r)
	split("", v)
	split("", cell)
	count = 0
}

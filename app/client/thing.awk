# SPDX-License-Identifier: ISC
# thing.awk: a call, message, recording or transcription, with all that hangs
# on it (mode=show) or with what was said and what it means (mode=transcript;
# segments=yes: line by line, with times).

BEGIN {
	# In the order in which one would tell it; the rest comes after.
	told = split("id direction status step from_number to_number body " \
	    "duration answered_by error_code error_message last_error " \
	    "call_sid recording_sid user_id created_at updated_at", first, " ")
	for (i = 1; i <= told; i++)
		is_first[first[i]] = 1
	elsewhere = "^(events|recordings|transcriptions?|segments|analysis)" \
	    "([.]|$)"
	kinds = split("call message recording transcription", kind, " ")
}

{
	keep()
	path[++paths] = $1
}

END {
	limit = columns > 100 ? 100 : columns
	if (mode == "show")
		show()
	else
		hear()
}

# --- everything ------------------------------------------------------------

function line(name, value) {
	if (value == "")
		return
	if (name ~ /_at$/)
		value = clock(value, "%Y-%m-%d %H:%M:%S")
	if (name == "duration")
		value = value " s"
	gsub(/\001/, "\n" pad("", 24), value)
	gsub(/_/, " ", name)
	print "  " pad(name, 21) " " value
}

# What is directly below p, but not its own SID again and again.
function fields(p,   i, name, sid) {
	sid = v[p "sid"]
	for (i = 1; i <= told; i++)
		if (v[p first[i]] != sid)
			line(first[i], v[p first[i]])
	for (i = 1; i <= paths; i++) {
		if (index(path[i], p) != 1)
			continue
		name = substr(path[i], length(p) + 1)
		if (!(name in is_first) && v[path[i]] != sid &&
		    name !~ elsewhere)
			line(name, v[path[i]])
	}
}

function show(   k, p, i) {
	for (k = 1; k < kinds && v[kind[k] ".id"] == ""; k++)
		;
	p = kind[k] "."
	print kind[k] " " v[p (v[p "sid"] == "" ? "id" : "sid")]
	fields(p)
	for (i = 0; v[p "recordings." i ".id"] != ""; i++) {
		print "\nrecording " v[p "recordings." i ".sid"]
		fields(p "recordings." i ".")
	}
	transcripts()
	for (i = 0; v[p "events." i ".at"] != ""; i++) {
		if (!i)
			print "\nwhat Twilio told"
		print "  " clock(v[p "events." i ".at"], "%Y-%m-%d %H:%M:%S") \
		    "  " pad(v[p "events." i ".status"], 12) " " \
		    v[p "events." i ".route"]
	}
}

# --- transcripts -----------------------------------------------------------

function hear(   seconds) {
	seconds = v["call.duration"]
	if (v["call.id"] != "")
		print "call " v["call.sid"] "\n  " \
		    clock(v["call.created_at"], "%Y-%m-%d %H:%M") \
		    ", from " v["call.from_number"] " to " \
		    v["call.to_number"] (seconds == "" ? "" : ", " seconds " s")
	transcripts()
}

function transcripts(   i) {
	for (i = 0; v["call.transcriptions." i ".id"] != ""; i++)
		transcript("call.transcriptions." i ".")
	transcript("recording.transcription.")
	transcript("transcription.")
}

function transcript(p,   a, seconds) {
	if (v[p "id"] == "")
		return
	a = p "analysis."
	seconds = v[p "duration_seconds"]
	print "\nwhat was said, recording " v[p "recording_sid"] \
	    (seconds == "" ? "" : ", " seconds " s")
	if (segments != "" && v[p "segments.0.text"] != "")
		by_the_minute(p "segments.")
	else if (v[p "transcription"] != "")
		paragraphs("  ", v[p "transcription"])
	else
		print "  (nothing)"
	list("summary", a "summary", "  ")
	list("key points", a "key_points.", "  - ")
	list("pain points", a "pain_points.", "  - ")
	list("objections", a "objections.", "  - ")
	list("next steps", a "next_steps.", "  - ")
	if (v[a "sentiment"] != "")
		print "\nsentiment " v[a "sentiment"] ", urgency " \
		    v[a "urgency"] "\nanalysis by " v[p "analysis_model"]
	if (v[p "error"] != "")
		print "\nno analysis: " v[p "error"]
}

function list(title, p, indent,   i) {
	if (v[p] != "") {
		print "\n" title
		paragraphs(indent, v[p])
	}
	for (i = 0; v[p i] != ""; i++) {
		if (!i)
			print "\n" title
		paragraphs(indent, v[p i])
	}
}

function by_the_minute(p,   i, start, who) {
	for (i = 0; v[p i ".text"] != ""; i++) {
		start = int(v[p i ".start"])
		who = v[p i ".speaker"]
		paragraphs(sprintf("%5d:%02d  ", start / 60, start % 60),
		    (who == "" ? "" : who ": ") v[p i ".text"])
	}
}

# Lines behind an indent, which the first of them may have something in; as
# wide as the terminal, or as they are.
function paragraphs(indent, s,   i, j, n, m, lines, words, out) {
	n = split(s, lines, "\001")
	for (i = 1; i <= n; i++) {
		m = limit ? split(lines[i], words, " ") : 1
		out = indent (limit ? words[1] : lines[i])
		indent = pad("", width(indent))
		for (j = 2; j <= m; j++)
			if (width(out " " words[j]) > limit) {
				print out
				out = indent words[j]
			} else
				out = out " " words[j]
		print out
	}
}

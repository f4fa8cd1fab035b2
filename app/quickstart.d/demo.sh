# shellcheck shell=bash disable=SC2034,SC2154,SC2004
# SPDX-License-Identifier: ISC
# demo: calls and texts through the stand-in carrier, and the page that the
# demonstration prints.

demo_says='Hi, this is Daniel Carter from Riverside Dental, calling about the
invoice for last Tuesday. We were charged twice and nobody has called us back.
Please call me at four one five, five five five, zero one seven two before
noon tomorrow.'
demo_text='Running ten minutes late, please keep my appointment.'

# --- the stand-in carrier --------------------------------------------------

# carrier PATH NAME VALUE...: posts a JSON object of strings, prints the answer.
carrier() {
	local path=$1 answer
	shift
	answer=$(perl -MJSON::PP -CA -e 'print encode_json({@ARGV})' -- "$@" |
	    curl -sS --noproxy '*' --data-binary @- --fail-with-body \
		"http://127.0.0.1:${state[carrier]}/_carrier/$path") ||
	    die "the stand-in carrier refused: $answer"
	printf '%s\n' "$answer"
}

# What happened in a call or a text, a line for each step.
print_steps() {
	perl -MJSON::PP -CS -e '
		my $it = decode_json(join "", <STDIN>);
		printf "%s  %s\n", $it->{call_sid} // $it->{message_sid},
		    $it->{status} // "received";
		for (@{ $it->{steps} }) {
			my ($path) = ($_->{url} // "") =~ m{^\w+://[^/]+([^#]*)};
			my $more = $_->{text} // $_->{message}
			    // $_->{recording_sid} // $_->{by} // "";
			$more = "$_->{seconds} s  $more" if $_->{seconds};
			if (defined $path) {
				printf "  %-4s %-32s %s\n", $_->{method}, $path,
				    $_->{status};
			} else {
				printf "       %-8s %s\n", $_->{what}, $more;
			}
		}
		printf "       %-8s %s\n", "reply", $it->{reply}
		    if defined $it->{reply};'
}

call() {
	local ask=(from "$call_from")
	[ -z "$call_to" ] || ask+=(to "$call_to")
	if [ -n "$call_play" ]; then
		# The carrier runs as somebody who may not read the original.
		run_user
		install -m 600 "$call_play" "$dir/carrier/played.$$" ||
		    die "cannot read $call_play"
		give postgres: "$dir/carrier/played.$$"
		ask+=(play "$dir/carrier/played.$$")
	else
		ask+=(say "${call_say:-$demo_says}")
	fi
	carrier call "${ask[@]}" | print_steps
	rm -f "$dir/carrier/played.$$"
}

text() {
	local ask=(from "$call_from" body "$text_body")
	[ -z "$call_to" ] || ask+=(to "$call_to")
	carrier text "${ask[@]}" | print_steps
}

# --- the demonstration -----------------------------------------------------

# The demonstration takes its keys from the tree's .env, but plays nothing into
# a database that it did not make.
demo_settings() {
	if [ -z "$env_file" ] && [ -e "$top/.env" ]; then
		env_file=$top/.env
		say "keys and settings from $env_file"
	fi
	demo_mode=yes
}

title() {
	printf '\n%s\n' "$*"
}

stands_in() {
	if service_wanted "$1"; then
		printf '  %-9s %s\n' "$2" "$3"
	else
		printf '  %-9s the real thing: %s\n' "$2" "$4"
	fi
}

print_stand_ins() {
	title "What stands in for what"
	stands_in carrier Twilio \
	    "a stand-in on this machine: places calls, obeys TwiML, signs" \
	    "${setting[TWILIO_API_BASE_URL]-https://api.twilio.com}"
	stands_in speech Whisper \
	    "genuine Whisper base.en, run by whisper.cpp on this machine" \
	    "${setting[OPENAI_BASE_URL]-https://api.openai.com/v1}"
	stands_in analyst LLM \
	    "a list of rules, no language model; it says so in what it stores" \
	    "${setting[LLM_BASE_URL]-https://api.openai.com/v1}"
}

query() {
	psql -X -q -P footer=off -P pager=off "$database_url" "$@" |
	    sed '/^$/d'
}

# The minute's own pass may have been quicker and be at work on it.
sweep_until_done() {
	local deadline=$((SECONDS + 180)) left
	rest=(--verbose)
	(cmd_sweep) || :
	while [ $SECONDS -lt $deadline ]; do
		left=$(query -At -c "select count(*) from twilio_recordings
			where status in ('pending', 'processing')")
		[ "$left" -ne 0 ] || return 0
		sleep 1
	done
	say "recordings are still waiting; see $dir/log/sweep.log"
}

print_rows() {
	title "twilio_calls"
	query -c "select call_sid, from_number, to_number, status, duration
		from twilio_calls order by created_at desc limit 1"
	title "twilio_sms"
	query -c "select from_number, to_number, direction, status, body
		from twilio_sms order by created_at desc limit 1"
	title "What the caller said (transcriptions.transcription)"
	query -At -c "select transcription from transcriptions
		order by created_at desc limit 1" | fold -s -w 76 |
	    sed 's/^/  /'
	title "What was made of it (transcriptions.analysis)"
	query -At -c "select jsonb_pretty(analysis) from transcriptions
		order by created_at desc limit 1" | sed 's/^/  /'
}

print_where_next() {
	local where=''
	[ "$dir" = "$top/.ringback" ] || where=" --dir $dir"
	title "It keeps running.  Next:"
	! service_wanted carrier || cat <<-NEXT
	  app/quickstart call$where --say "Please call me back."
	  app/quickstart text$where --body "Hello"
	NEXT
	cat <<-NEXT
	  app/quickstart sweep$where           a pass now, not at the next minute
	  app/quickstart psql$where            the tables
	  app/quickstart logs$where            what it logged
	  app/quickstart down$where            stop it (--purge: and forget it)
	  Its settings are in $dir/.env.
	NEXT
}

print_console_settings() {
	local base=${setting[WEBHOOK_BASE_URL]}
	title "Twilio is the real one, so the next call is yours to make"
	cat <<-NEXT
	  In Twilio's console, for ${setting[TWILIO_PHONE_NUMBER]:-your number}:
	    a call comes in       $base/api/twilio/voice#rc=3&rp=ct,rt,5xx
	    call status changes   $base/api/twilio/status#rc=5&rp=all
	    a message comes in    $base/api/twilio/sms#rc=3&rp=ct,rt,5xx
	  Twilio must reach that address: set WEBHOOK_BASE_URL in .env to a public
	  one that leads to 127.0.0.1:$port, and run app/quickstart again.
	NEXT
}

demo() {
	database
	print_stand_ins
	if ! service_wanted carrier; then
		print_console_settings
		print_where_next
		return
	fi
	title "A call: somebody leaves a voicemail"
	call
	title "A text"
	text_body=$demo_text
	text
	title "The sweep: download, transcribe, analyse, store"
	sweep_until_done
	print_rows
	print_where_next
}

# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: ISC
# ask: whom to ask, as whom, and how: JSON, curl, and what came of it.

# --- JSON ------------------------------------------------------------------

flatten() { # DOCUMENT [rows=1]: see json.awk
	awk -f "$client/json.awk" ${2+"$2"} - <<-EOF
		$1
	EOF
}

# What the last answer has at a path, on one line.
get() { # PATH
	awk -F '\t' -v path="$1" '$1 == path {
		value = substr($0, length($1) + 2)
		gsub(/\001/, " ", value)
		print value
		exit
	}' <<-EOF
		$flat
	EOF
}

# awk sees lines, and puts the breaks between them back.
json_string() { # TEXT
	awk '
	BEGIN {
		for (i = 1; i < 32; i++)
			escape[sprintf("%c", i)] = sprintf("\\u%04x", i)
		escape["\\"] = "\\\\"
		escape["\""] = "\\\""
		printf "\""
	}
	{
		if (NR > 1)
			printf "\\n"
		while (match($0, /[\001-\037\\"]/)) {
			printf "%s", substr($0, 1, RSTART - 1)
			printf "%s", escape[substr($0, RSTART, 1)]
			$0 = substr($0, RSTART + 1)
		}
		printf "%s", $0
	}
	END { print "\"" }' <<-EOF
		$1
	EOF
}

# --- whom to ask, and as whom ----------------------------------------------

# A line for curl --config, where \ and " are special between quotes.
config_line() { # NAME VALUE
	printf '%s = "%s"\n' "$1" \
	    "$(printf '%s\n' "$2" | sed 's/[\\"]/\\&/g')"
}

# A key does not travel in the clear, but within this machine.
use_server() {
	url=${opt_url:-${RINGBACK_URL:-https://127.0.0.1:8443}}
	url=${url%/}
	host=${url#*://}
	host=${host%%/*}
	server=
	case $url in
	*[!]A-Za-z0-9.:/_~%[-]*)	wrong "$url is no address" ;;
	https://?*)	;;
	http://localhost | http://localhost[:/]*)	;;
	'http://[::1]' | 'http://[::1]'[:/]*)	;;
	http://127.*)
		case $host in
		*[!0-9.:]*)	wrong "$url is not this machine; use https" ;;
		esac ;;
	*)	wrong "$url has to begin with https://" ;;
	esac
	case $host in
	127.* | localhost | localhost:* | '[::1]'*)
		server="noproxy = \"*\"$newline" ;;
	esac
	cacert=${opt_cacert:-${RINGBACK_CACERT-}}
	[ -z "$cacert" ] || [ -r "$cacert" ] || wrong "cannot read $cacert"
	[ -z "$cacert" ] ||
	    server="$server$(config_line cacert "$cacert")$newline"
}

# Sets $key, or fails and says $why.
find_key() {
	key=${RINGBACK_KEY-}
	unset RINGBACK_KEY	# nobody whom we start needs it
	why='there is no key'
	if [ -z "$key" ] || [ -n "$opt_key_file" ]; then
		key=
		file=${XDG_CONFIG_HOME:-${HOME-}/.config}/ringback/key
		file=${opt_key_file:-${RINGBACK_KEY_FILE:-$file}}
		[ -e "$file" ] || return 1
		why="others may read or write $file: chmod 600 it, and if you \
share this machine make a new key"
		case $(ls -lLd -- "$file") in
		[-p]???------*)	;;
		*)		return 1 ;;
		esac
		why="there is no key in $file that you can read"
		read -r key <"$file" || [ -n "$key" ] || return 1
	fi
	case $key in
	*[!A-Za-z0-9_]*) ;;
	tw_?*)	return 0 ;;
	esac
	key=
	why='that is no key; one begins with tw_'
	return 1
}

need_key() {
	find_key || die 77 "$why; ringback --help says how to get one"
}

# --- asking ----------------------------------------------------------------

# Sets $answer and $status, which is 000 when there is no answer.
curl_once() { # CONFIG
	rc=0
	answer=$(
		curl --disable --config - <<-EOF
			silent
			show-error
			globoff
			tlsv1.2
			proto = "=http,https"
			connect-timeout = 5
			max-time = 30
			user-agent = "ringback/$version"
			write-out = "\n%{http_code}"
			header = "Expect:"
			$1
		EOF
	) || rc=$?
	status=${answer##*"$newline"}
	answer=${answer%"$newline"*}
	answer=$(awk -f "$client/harmless.awk" <<-EOF
		$answer
	EOF
	)
	[ "$rc" -eq 0 ] || status=000
}

# Trouble that may pass is met by asking again, up to $patience seconds apart.
# Nothing is sent twice by that: all tries have the same Idempotency-Key.
patience=2
ask() { # PATH CONFIG
	pause=1
	while :; do
		curl_once "$server$(config_line url "$url$1")${key:+
header = \"Authorization: Bearer $key\"}
$2"
		flat=$(flatten "$answer") || flat=
		case $status-$rc in
		50[234]-* | 000-7 | 000-28 | 000-35 | 000-5[256]) ;;
		*)	return 0 ;;
		esac
		case $(get code) in
		twilio_*)	return 0 ;;	# and remains so for this key
		esac
		[ "$pause" -le "$patience" ] || return 0
		say 'no answer; asking again'
		sleep "$pause"
		pause=$((pause * 2))
	done
}

# Ends with what the server said, unless it did what it was asked.
expect_success() {
	case $status in
	2??)
		[ -n "$flat" ] || die 69 "$url answers, but is no ringback"
		return 0 ;;
	000)
		[ "$rc" -ne 60 ] ||
		    say '--cacert names a certificate to trust'
		die 69 "no answer from $url" ;;
	401)	code=77 ;;
	403)
		case $(get code) in
		forbidden | missing_scope | foreign_user)	code=77 ;;
		*)	code=1 ;;	# a rule, whoever asks
		esac ;;
	404)	code=2 ;;
	4??)	code=1 ;;
	*)	code=69 ;;
	esac
	why=$(get error)
	more="status $status"
	for word in code field requestId; do
		value=$(get "$word")
		[ -z "$value" ] || more="$more, $word $value"
	done
	die "$code" "${why:-$url did not say why} ($more)"
}

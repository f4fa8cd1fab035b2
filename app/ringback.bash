# shellcheck shell=bash
# SPDX-License-Identifier: ISC
# bash completion for ringback: its commands, the options each takes, and the
# values that are words.

_ringback() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local i command='' offer=''
	local everywhere='--json --url --cacert --key-file --help --version'
	local sending='--user --metadata --dry-run --idempotency-key'
	local takes_none=' --json --help --version --record --dry-run --all
		--segments '

	# "--option=value" comes as three words.
	[[ $word == = ]] && word=''
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}

	# The command is the first word that is neither an option nor its value.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*)
			[[ $takes_none == *[[:space:]]"${COMP_WORDS[i]}"[[:space:]]* ]] ||
				((i += 1))
			[[ ${COMP_WORDS[i]} != = ]] || ((i += 1))
			;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $before in
	--cacert | --key-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		compopt -o filenames 2>/dev/null
		return
		;;
	--direction) offer='inbound outbound' ;;
	--machine-detection) offer='Enable DetectMessageEnd' ;;
	--status)
		offer='queued ringing in-progress completed busy failed'
		offer+=' no-answer canceled unknown'
		[[ $command != messages ]] ||
			offer='queued sending sent delivered undelivered failed
				received read unknown'
		;;
	--*)
		[[ $takes_none == *[[:space:]]"$before"[[:space:]]* ]] || return
		;;
	esac
	if [[ -z $offer ]]; then
		case $command in
		'')
			offer='call sms calls messages show transcript health'
			[[ $word != -* ]] || offer=$everywhere
			;;
		call)
			offer="--record --from --voice --language --timeout
				--machine-detection $sending $everywhere"
			;;
		sms)
			offer="--from --service --media $sending $everywhere"
			;;
		calls | messages)
			offer="--number --since --until --status --direction
				--user --q --limit --all $everywhere"
			;;
		transcript) offer="--segments $everywhere" ;;
		*) offer=$everywhere ;;
		esac
		[[ $word == -* || -z $command || $command == @(calls|messages) ]] || return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$word")
}
complete -F _ringback ringback

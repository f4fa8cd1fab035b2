# shellcheck shell=bash disable=SC2034 # what it sets is its reader's
# SPDX-License-Identifier: ISC
# report: what t/fault and t/security share: their options, and tests that run
# one after the other while what they say is kept.

# options NAME ARGUMENT...: sets report, build and wanted; usage is the
# caller's.
options() {
	local me=$1
	shift
	report=no build=() wanted=()
	while [ $# -gt 0 ]; do
		case $1 in
		--report)	report=yes ;;
		--build)	build=(--build "${2:?--build needs a name}"); shift ;;
		-h | --help)	usage; exit ;;
		-*)		usage >&2; exit 64 ;;
		*)		wanted+=("t/$me-${1%.t}.t") ;;
		esac
		shift
	done
	cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit
	local name
	for name in ${wanted[@]+"${wanted[@]}"}; do
		[ -e "$name" ] && continue
		printf 't/%s: there is no %s\n' "$me" "$name" >&2
		exit 64
	done
}

# run_reported NAME TEST...: one at a time, so that each has the machine for
# itself and what they say is not mixed up. Sets say, a file, and passed.
run_reported() {
	local me=$1
	shift
	say=$(mktemp)
	trap 'rm -f "$say"' EXIT
	passed=yes
	t/run ${build[@]+"${build[@]}"} -j1 -v "$@" | tee "$say" |
	    sed -nu "s!^\S*\b\(t/[a-z/_-]*\)\S* \.\.\.* *\$!t/$me: running \1!p" \
		>&2 || passed=no
}

# row(): its cells are parted by a bare "|"; show(): those columns to the right.
awk_table='
	function row(line,  cell, n, i) {
		n = split(line, cell, / *[|] */)
		for (i = 1; i <= n; i++) {
			if (length(cell[i]) > width[i])
				width[i] = length(cell[i])
			table[rows + 0, i] = cell[i]
		}
		columns = n > columns ? n : columns
		rows++
	}
	function show(right,  i, j) {
		for (i = 0; i < rows; i++)
			for (j = 1; j <= columns; j++)
				printf index(right, j) ? "%*s%s" : "%-*s%s",
				    width[j], table[i, j],
				    j == columns ? "\n" : "  "
	}
'

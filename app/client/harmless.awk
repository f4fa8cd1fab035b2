# SPDX-License-Identifier: ISC
# harmless.awk: JSON in, the same JSON out, with \u.... for the characters that
# JSON lets stand and a terminal would obey or be misled by: DEL, C1, and those
# that turn the direction of text.

/[\177\302\330\342]/ {
	gsub(/\177/, "\\u007f")
	gsub(/\330\234/, "\\u061c")
	for (i = 128; i < 160; i++)
		gsub("\302" sprintf("%c", i), sprintf("\\u%04x", i))
	for (i = 142; i <= 174; i = i == 143 ? 168 : i + 1)
		gsub("\342\200" sprintf("%c", i), sprintf("\\u%04x", 8064 + i))
	for (i = 166; i <= 169; i++)
		gsub("\342\201" sprintf("%c", i), sprintf("\\u%04x", 8128 + i))
}
{
	print
}

# SPDX-License-Identifier: ISC
# plots.gp: pictures of what t/bench/run measured, in the folder of its files,
# as PNG and SVG. What was not measured is left out.
set datafile separator "\t"
set grid
set style fill solid 0.6

do for [format in "png svg"] {
	if (format eq "png") { set terminal pngcairo size 900,540 } \
	else { set terminal svg size 900,540 }
	here(name) = system("test -s ".name." && echo yes") eq "yes"

	if (here("rates.tsv")) {
		set output "throughput.".format
		set title "Webhooks a second, 32 clients"
		set yrange [0:*]
		set offsets 0.5, 0.5, 800, 0
		set rmargin 12
		set xtics rotate by -20
		set boxwidth 0.6
		plot "rates.tsv" using 2:xtic(1) with boxes notitle, \
		    "" using 0:2:(sprintf("%.0f", $2)) with labels \
		    offset 0,0.7 notitle
		unset offsets
		set rmargin
		set xtics norotate
	}
	if (here("times-ringback-at-ringback.tsv")) {
		set output "latency.".format
		set title "Time to the answer"
		set xlabel "of the answers, %"
		set ylabel "ms"
		set yrange [0.1:*]
		set logscale y
		set key below
		plot "times-ringback-at-ringback.tsv" with lines lw 2 \
		    title "ringback, 70 % of what it can", \
		    "times-express1-at-ringback.tsv" with lines lw 2 \
		    title "Express at that rate", \
		    "times-ringback-at-express1.tsv" with lines lw 2 \
		    title "ringback, 70 % of what Express can", \
		    "times-express1-at-express1.tsv" with lines lw 2 \
		    title "Express at that rate"
		unset logscale
		unset xlabel
		unset ylabel
	}
	if (here("growth.tsv")) {
		set output "growth.".format
		set title "What a webhook costs beside so many that are stored"
		set xlabel "rows"
		set ylabel "of the cost of the first"
		set key top left
		set rmargin 5
		set logscale x
		set format x "10^%T"
		set yrange [0:2]
		plot "growth.tsv" using 1:2 with linespoints lw 2 \
		    title "measured", 1.15 with lines title "goal"
		unset logscale
	}
}

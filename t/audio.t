#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Recordings as a telephone makes them, spoken by flite and encoded by lame:
# speech that a person could still understand is never taken for silence, a
# line on which nobody speaks is, and pieces play by themselves.
use v5.36;
use Test::More;
use FindBin;
use File::Temp qw(tempdir);
use List::Util qw(any max sum0);

my @missing = grep { system("command -v $_ >/dev/null 2>&1") != 0 }
	qw(sox lame flite);
plan skip_all => "no @missing" if @missing;
plan skip_all => 'sox reads no mp3 (libsox-fmt-mp3)'
	if `sox --help` !~ /^AUDIO FILE FORMATS:.* mp3 /m;

# What lib/format/audio.c promises: below this a recording is silent.
my $THRESHOLD = -54;

my $dir   = tempdir('ringback-audio-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $probe = built_probe();

my %lame = (
	'8 kHz, 8 kbit/s'      => [qw(-b 8 --resample 8)],
	'8 kHz, 32 kbit/s'     => [qw(-b 32 --resample 8)],
	'8 kHz, 64 kbit/s'     => [qw(-b 64 --resample 8)],
	'8 kHz, VBR 2'         => [qw(-V 2 --resample 8)],
	'16 kHz, 16 kbit/s'    => [qw(-b 16 --resample 16)],
	'16 kHz, VBR 9'        => [qw(-V 9 --resample 16)],
	'22.05 kHz, 32 kbit/s' => [qw(-b 32 --resample 22.05)],
	'22.05 kHz, ABR 24'    => [qw(--abr 24 --resample 22.05 -p)],
	'44.1 kHz, 32 kbit/s'  => [qw(-b 32 --resample 44.1)],
	'44.1 kHz, VBR 2'      => [qw(-V 2 --resample 44.1)],
	'44.1 kHz, stereo'     => [qw(-b 64 --resample 44.1 -m s)],
	'44.1 kHz, joint'      => [qw(-b 64 --resample 44.1 -m j)],
);

# ------------------------------------------------------------- harness ----

sub run (@command) {
	system(@command) == 0 or BAIL_OUT("failed: @command");
	return;
}

sub sox (@args) { return run('sox', '-R', '-V1', @args) }

# The one t/run has built, or, alone, one made here.
sub built_probe () {
	return "$ENV{RINGBACK_BINDIR}/t/unit/audio_probe"
		if defined $ENV{RINGBACK_BINDIR};
	my $top = "$FindBin::Bin/..";
	run($ENV{CC} // 'cc', '-D_GNU_SOURCE', "-I$top/lib", '-o',
		"$dir/probe", "$top/t/unit/audio_probe.c",
		(map { "$top/lib/format/$_.c" } qw(audio mp3 wav)), '-lm');
	return "$dir/probe";
}

# The probe's lines, each a hash.
sub probe (@args) {
	open my $p, '-|', $probe, @args or BAIL_OUT("$probe: $!");
	my @lines = map { { /(\w+)=(\S*)/g } } <$p>;
	close $p or BAIL_OUT("$probe @args failed");
	return @lines;
}

sub level ($file) {
	my ($db) = `sox $file -n stats 2>&1` =~ /^RMS lev dB\s+(\S+)/m;
	return $db;
}

sub samples ($file) { return 0 + `soxi -s $file` }
sub slurp ($file) {
	open my $f, '<:raw', $file or BAIL_OUT("$file: $!");
	local $/;
	return scalar <$f>;
}

# Through a telephone: its band, its rate, and mu-law at this level.
sub telephone ($in, $out, $dbfs) {
	sox($in, '-b', 16, '-e', 'signed', '-c', 1, "$dir/band.wav",
		qw(rate 8000 sinc 300-3400));
	sox("$dir/band.wav", qw(-e mu-law -b 8), "$dir/law.wav",
		'gain', $dbfs - level("$dir/band.wav"));
	return sox("$dir/law.wav", qw(-b 16 -e signed), $out);
}

sub encode ($in, $out, $how) {
	my @as = $lame{$how}->@*;
	if (any { $_ eq '-m' } @as) {
		sox($in, "$dir/both.wav", qw(remix 1 0));
		$in = "$dir/both.wav";
	}
	return run('lame', '--quiet', @as, $in, $out);
}

# A made-up sound of 8 kHz at this level (RMS).
sub synth ($out, $seconds, $dbfs, @what) {
	my @make = ('synth', $seconds, @what, 'gain', -10);
	sox(qw(-n -r 8000 -c 1 -b 16), "$dir/loud.wav", @make);
	return sox(qw(-n -r 8000 -c 1 -b 16), $out, @make, 'gain',
		$dbfs - level("$dir/loud.wav"));
}

# -------------------------------------------------------- who is speaking --

my $TEXT = 'Hi, this is Daniel Carter from Riverside Dental, calling about '
	. 'the invoice for last Tuesday. Please call me back.';
for my $voice (qw(rms slt)) {
	run('flite', '-voice', $voice, '-t', $TEXT, "$dir/$voice.wav");
	telephone("$dir/$voice.wav", "$dir/$voice$_.wav", $_) for -20, -45, -50;
}

my (@speech, @errors);
for my $how (sort keys %lame) {
	my (@quiet, $frames_ok);
	for my $file (map { ("rms$_", "slt$_") } -20, -45) {
		encode("$dir/$file.wav", "$dir/s.mp3", $how);
		sox("$dir/s.mp3", qw(-b 16), "$dir/s.wav");
		my ($mp3, $wav, $original)
			= probe("$dir/s.mp3", "$dir/s.wav", "$dir/$file.wav");
		push @errors, $mp3->{dbfs} - $wav->{dbfs};
		push @speech, [ $mp3->{dbfs}, "$file $how" ] if $file =~ /-45/;
		push @quiet, $file if $mp3->{silent} || $wav->{silent}
			|| $original->{silent};
		next if $file ne 'rms-45';
		my $frame = $mp3->{hz} > 24000 ? 1152 : 576;
		my $off   = $mp3->{seconds} * $mp3->{hz}
			- samples("$dir/s.wav");
		is_deeply [ $mp3->@{qw(mime suffix channels)} ],
			[ 'audio/mpeg', '.mp3', 1 + ($how =~ /stereo|joint/) ],
			"$how: known for what it is";
		ok abs($off) < $frame + 1,
			"$how: as long as its decoder says, to the frame"
			or diag "$off samples more, $mp3->{seconds} s";
	}
	is "@quiet", '', "$how: speech at -20 and -45 dBFS is not silent";
}
my ($lowest) = sort { $a->[0] <=> $b->[0] } @speech;
cmp_ok $lowest->[0], '>=', $THRESHOLD + 5,
	'speech at -45 dBFS is at least 5 dB above silence in every mp3'
	or diag "$lowest->[1]";
@errors = sort { $a <=> $b } @errors;
cmp_ok $errors[0], '>', -7, 'no guess is 7 dB below what a decoder hears';
cmp_ok abs($errors[ @errors / 2 ]), '<', 5, 'half of them are within 5 dB';

# ------------------------------------------------------- nobody speaking ---

sox(qw(-n -r 8000 -c 1 -b 16), "$dir/silence.wav", qw(trim 0 6));
sox(qw(-D -n -r 8000 -c 1 -b 16), "$dir/digital.wav", qw(trim 0 6));
sox(qw(-n -r 8000 -c 1 -e mu-law -b 8), "$dir/law.wav",
	qw(synth 6 whitenoise gain -68));
sox("$dir/law.wav", qw(-b 16 -e signed), "$dir/idle.wav");
synth("$dir/hum.wav", 6, -60, qw(sin 60));
synth("$dir/comfort.wav", 6, -65, 'pinknoise');

# Name, and how far below the threshold it must stay.
my %nobody = (
	digital => 60, silence => 30, idle => 15, comfort => 4, hum => 0);
for my $name (sort { $nobody{$b} <=> $nobody{$a} } keys %nobody) {
	my $loudest = [ -999, '' ];
	for my $how (sort keys %lame) {
		encode("$dir/$name.wav", "$dir/n.mp3", $how);
		my ($a) = probe("$dir/n.mp3");
		$loudest = [ $a->{dbfs}, "$how, silent=$a->{silent}" ]
			if !$a->{silent} || $a->{dbfs} > $loudest->[0];
		last if !$a->{silent};
	}
	cmp_ok $loudest->[0], '<', $THRESHOLD - $nobody{$name},
		"$name: silent in every mp3, by $nobody{$name} dB"
		or diag $loudest->[1];
	my ($wav) = probe("$dir/$name.wav");
	ok $wav->{silent}, "$name: silent in a wav";
}

# ----------------------------------------------------------- in a minute ---

sox("$dir/idle.wav", "$dir/half.wav", qw(repeat 4));
sox("$dir/rms-20.wav", "$dir/cut.wav", qw(trim 1.2 0.5));
my %moment = (word => 0, click => 1);
sox("$dir/cut.wav", "$dir/word.wav", 'gain', -45 - level("$dir/cut.wav"));
sox(qw(-n -r 8000 -c 1 -b 16), "$dir/click.wav",
	qw(synth 0.005 whitenoise gain -1));
for my $name (sort keys %moment) {
	sox("$dir/half.wav", "$dir/$name.wav", "$dir/half.wav", "$dir/m.wav");
	for my $how ('8 kHz, 8 kbit/s', '8 kHz, 32 kbit/s', '16 kHz, VBR 9',
		'22.05 kHz, 32 kbit/s', '44.1 kHz, 32 kbit/s') {
		encode("$dir/m.wav", "$dir/m.mp3", $how);
		my ($a) = probe("$dir/m.mp3");
		is $a->{silent}, $moment{$name}, $name eq 'click'
			? "$how: a click in a minute is silence"
			: "$how: half a second at -45 dBFS in a minute is not"
			or diag "$a->{dbfs} dBFS";
	}
	my ($wav) = probe("$dir/m.wav");
	is $wav->{silent}, $moment{$name}, "wav: $name in a minute";
}

# ------------------------------------------------------------- as a wav ----

for my $as ([qw(-e signed -b 16)], [qw(-e mu-law -b 8)], [qw(-e a-law -b 8)],
	[qw(-e unsigned -b 8)]) {
	sox("$dir/rms-20.wav", @$as, "$dir/w.wav");
	run("sox -V1 $dir/rms-20.wav @$as -t wav - | cat >$dir/stream.wav");
	my @a = probe("$dir/w.wav", "$dir/stream.wav", "$dir/rms-20.wav");
	is_deeply [ map { $_->@{qw(mime seconds silent)} } @a[ 0, 1 ] ],
		[ ('audio/wav', sprintf('%.6f', samples("$dir/w.wav") / 8000),
		0) x 2 ], "wav, @$as: known, file and stream";
	cmp_ok abs($a[0]{dbfs} - $a[2]{dbfs}), '<', 0.5,
		"wav, @$as: as loud as it was";
}

# --------------------------------------------------------------- in parts --

# Level of the sound in the file around this moment.
sub level_at ($file, $second) {
	sox($file, "$dir/at.wav", 'trim', max(0, $second - 0.04), 0.08);
	return level("$dir/at.wav");
}

sox("$dir/rms-20.wav", "$dir/long.wav", qw(repeat 9));
for my $how ('8 kHz, 8 kbit/s', '8 kHz, 32 kbit/s', '8 kHz, VBR 2',
	'22.05 kHz, 32 kbit/s', '44.1 kHz, 32 kbit/s', '44.1 kHz, joint') {
	encode("$dir/long.wav", "$dir/long.mp3", $how);
	my $max = int((-s "$dir/long.mp3") / 3.3);
	my ($whole, @parts)
		= probe('-m', $max, '-o', "$dir/p", "$dir/long.mp3");
	ok @parts == 4 || @parts == 5, "$how: as few parts as will do"
		or diag scalar @parts;
	ok !(grep { $_->{bytes} > $max } @parts), "$how: none too large";
	is sum0(map { $_->{bytes} } @parts),
		$parts[-1]{at} + $parts[-1]{bytes} - $parts[0]{at},
		"$how: no byte lost or twice";
	cmp_ok abs(sum0(map { $_->{seconds} } @parts) - $whole->{seconds}),
		'<', 1e-4, "$how: their lengths are the whole's";

	sox("$dir/long.mp3", qw(-b 16), "$dir/long.out.wav");
	my ($lost, @cuts) = (0);
	for my $n (1 .. @parts) {
		rename "$dir/p$n", "$dir/p$n.mp3" or die $!;
		sox("$dir/p$n.mp3", qw(-b 16), "$dir/p.wav");
		$lost = max($lost, $parts[ $n - 1 ]{seconds}
			- samples("$dir/p.wav") / $whole->{hz});
		push @cuts, level_at("$dir/long.out.wav",
			$parts[ $n - 1 ]{start}) if $n > 1;
	}
	cmp_ok $lost, '<', 0.25, "$how: each part plays by itself";
	cmp_ok max(@cuts), '<', -35, "$how: cut where nobody speaks"
		or diag "@cuts";
}

for my $as ([qw(-e signed -b 16)], [qw(-e mu-law -b 8)]) {
	sox("$dir/long.wav", @$as, "$dir/whole.wav");
	my $max = int((-s "$dir/whole.wav") / 3.3);
	my ($whole, @parts)
		= probe('-m', $max, '-o', "$dir/w", "$dir/whole.wav");
	my $raw = '';
	for my $n (1 .. @parts) {
		ok -s "$dir/w$n" <= $max, "wav, @$as: part $n is not too large";
		rename "$dir/w$n", "$dir/w$n.wav" or die $!;
		sox("$dir/w$n.wav", "$dir/w.raw");
		$raw .= slurp("$dir/w.raw");
	}
	sox("$dir/whole.wav", "$dir/w.raw");
	ok $raw eq slurp("$dir/w.raw"), "wav, @$as: together the whole, "
		. 'sample for sample';
	cmp_ok max(map { level_at("$dir/whole.wav", $_->{start}) }
		@parts[ 1 .. $#parts ]), '<', -35,
		"wav, @$as: cut where nobody speaks";
}

# ------------------------------------------------------------------ tags ---

run(qw(lame --quiet -b 32 --add-id3v2 --pad-id3v2 --tt Voicemail),
	"$dir/rms-20.wav", "$dir/tags.mp3");
run(qw(lame --quiet -b 32), "$dir/rms-20.wav", "$dir/plain.mp3");
my ($tags, $plain) = probe("$dir/tags.mp3", "$dir/plain.mp3");
is_deeply [ $tags->@{qw(seconds dbfs)} ], [ $plain->@{qw(seconds dbfs)} ],
	'tags before and behind change nothing';

done_testing;

# SPDX-License-Identifier: ISC
# Speech at telephone quality: flite speaks, sox narrows it to 300-3400 Hz at
# 8 kHz µ-law, lame makes the 32 kbps MP3 that Twilio serves; the WAV is
# 128 kbps, as Twilio's.  Runs in child processes: the carrier never waits.
package Carrier::Sound;
use v5.36;
use Mojo::Base -base, -signatures;
use Digest::SHA 'sha1_hex';
use List::Util 'min';
use Mojo::File qw(path tempdir);
use Mojo::IOLoop;
use Mojo::Util 'encode';

has 'dir';                      # finished sounds, kept by what they say
has children => sub { {} };

# say => text | play => file | neither = silence; seconds => exact length,
# most => longest allowed.  A promise of {wav, mp3, seconds, channels}.
sub voicemail_p ($self, %want) {
	return $self->_make_p(\%want, sub ($tmp, $base) {
		my $wav = "$base.wav";
		my $raw = defined $want{say}  ? _speak($tmp, $want{say}, 'rms')
		        : defined $want{play} ? _decode($tmp, $want{play}) : undef;
		my @pad = $want{seconds} ? ('pad', 0, $want{seconds}) : ();
		my @cut = ('trim', 0,
			min(grep { $_ } $want{seconds}, $want{most} // 3600));
		if ($raw) {
			_telephone($raw, "$tmp/tel.wav");
			_run('sox', "$tmp/tel.wav", _pcm($wav), @pad, @cut);
		} else {
			_run('sox', '-n', '-r', 8000, '-c', 1, _pcm($wav), @cut);
		}
		_mp3($base);
	});
}

# An outbound call as recorded: the person called on channel 1, what TwiML
# said on channel 2, or both mixed into one.
sub conversation_p ($self, $said, $channels) {
	my %want = (conversation => $said, channels => $channels);
	return $self->_make_p(\%want, sub ($tmp, $base) {
		my @part = (['hello', 'Hello?', 'slt'], ['message', $said, 'rms'],
			['bye', 'Okay, thank you. Goodbye.', 'slt']);
		my %long;
		for (@part) {
			my ($name, $text, $voice) = @$_;
			_telephone(_speak($tmp, $text, $voice), "$tmp/$name.tel.wav");
			$long{$name} = _seconds("$tmp/$name.tel.wav");
		}
		_run('sox', "$tmp/hello.tel.wav", "$tmp/a.wav",
			'pad', 0, $long{message});
		_run('sox', "$tmp/a.wav", "$tmp/bye.tel.wav", "$tmp/person.wav");
		_run('sox', "$tmp/message.tel.wav", "$tmp/ours.wav",
			'pad', $long{hello}, $long{bye});
		my @both = ("$tmp/person.wav", "$tmp/ours.wav");
		_run('sox', '-m', '-v', 1, $both[0], '-v', 1, $both[1],
			_pcm($channels == 2 ? "$base.mono.wav" : "$base.wav"));
		_mp3($channels == 2 ? "$base.mono" : $base);
		return if $channels == 1;
		_run('sox', '-M', @both, _pcm("$base.wav"));
		_mp3($base);
	});
}

# Ends what is still being made; called when the carrier stops.
sub stop ($self) { kill 'TERM', map { -$_ } keys $self->children->%* }

sub _make_p ($self, $want, $make) {
	my $key  = sha1_hex(encode 'UTF-8', join "\0",
		map { ($_, $want->{$_} // '') } sort keys %$want);
	# A file may change under its name.
	$key .= '-' . join '-', (stat $want->{play})[1, 7, 9]
	    if defined $want->{play} && -e $want->{play};
	my $base = path($self->dir, $key)->to_string;
	my $dir  = $self->dir;
	my $work = Mojo::IOLoop->subprocess;
	my $pid;
	$work->on(spawn => sub (@) {
		$self->children->{$pid = $work->pid} = 1;
	});
	return $work->run_p(sub {
		setpgrp;
		my $tmp = tempdir(DIR => $dir);
		if (!-e "$base.wav" || !-e "$base.mp3") {
			my $new = "$tmp/new";
			$make->("$tmp", $new);
			for (sort { length $b <=> length $a } glob "$new*") {
				rename $_, $base . substr $_, length $new
				    or die "$_: $!\n";
			}
		}
		return _seconds("$base.wav"), -e "$base.mono.mp3" ? 2 : 1;
	})->then(sub ($seconds, $channels) {
		return {key => $key, seconds => $seconds,
			channels => $channels};
	})->finally(sub { delete $self->children->{$pid // ''} });
}

sub _speak ($tmp, $text, $voice) {
	state $n = 0;
	my $file = sprintf '%s/speech%d', $tmp, $n++;
	if ($text !~ /\w/) {
		_run('sox', '-n', '-r', 8000, "$file.wav", 'trim', 0, 1);
		return "$file.wav";
	}
	open my $fh, '>:encoding(UTF-8)', "$file.txt" or die "$file.txt: $!\n";
	print $fh $text;
	close $fh or die "$file.txt: $!\n";
	_run('flite', '-voice', $voice, '-f', "$file.txt", '-o', "$file.wav");
	return "$file.wav";
}

# sox reads most things, MP3 only with a package more: lame reads that.
sub _decode ($tmp, $file) {
	open my $fh, '<:raw', $file or die "$file: $!\n";
	read $fh, my $magic, 3;
	return $file if $magic !~ /^(?:ID3|\xff[\xe2-\xff])/;
	_run('lame', '--quiet', '--decode', $file, "$tmp/decoded.wav");
	return "$tmp/decoded.wav";
}

sub _telephone ($from, $to) {
	_run('sox', $from, '-r', 8000, '-c', 1, '-e', 'mu-law', $to,
		'remix', '-', 'rate', 8000, 'sinc', '300-3400');
}

sub _pcm ($file) { ('-e', 'signed-integer', '-b', 16, $file) }

sub _mp3 ($base) {
	_run('lame', '--quiet', '-b', 32, "$base.wav", "$base.mp3");
}

sub _seconds ($file) {
	open my $soxi, '-|', 'soxi', '-D', $file or die "soxi: $!\n";
	return 0 + <$soxi>;
}

sub _run ($program, @args) {
	my @command = ($program, $program eq 'sox' ? '-V1' : (), @args);
	system({$command[0]} @command) == 0
	    or die "$program failed ($?): @command\n";
}

1;

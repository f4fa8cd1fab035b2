# SPDX-License-Identifier: ISC
# Ringback::Outside: Twilio's media, a transcription server and a language
# model, whose answers a test decides while they run.
#
#	my $outside = Ringback::Outside->new;
#	my $t = Ringback::Test->new(fakes => $outside->fakes);
#	my $sid = $outside->recording($t, speech(50));	# due, with media
#	$outside->next(openai => { status => 503 });	# one bad answer
#	$outside->always(llm => { hold => 'lunch' });	# until told otherwise
#	$outside->release('lunch');
#
# Nothing said, it is a good day: media are what recording() was given, a
# transcription names the bytes it was made from (so no two recordings can be
# mixed up unseen), an analysis names its transcript.
#
# An answer: status (200), type, headers, body or json; or raw (bytes of a
# whole HTTP answer, right or wrong), or reset => 1 (the connection breaks);
# with hold => NAME it, or else the good day's, is given after release(NAME).
package Ringback::Outside;
use v5.36;

use Exporter qw(import);
use Fcntl qw(:flock);
use File::Temp qw(tempdir);
use Mojo::IOLoop;
use Mojo::JSON qw(decode_json encode_json);
use Socket qw(SOL_SOCKET SO_LINGER);
use Storable qw(freeze thaw);

use Ringback::Test;

our @EXPORT_OK = qw(speech silence long_speech analysis completion FRAME);

use constant FRAME => 288;	# bytes: mp3 of 8 kHz at 32 kbit/s, 72 ms

sub new ($class) {
	return bless { dir => tempdir(CLEANUP => 1) }, $class;
}

# For Ringback::Test->new(fakes => …).
sub fakes ($self) {
	my %good = (twilio => \&_media, openai => \&_transcription,
		llm => \&_analysis);
	return { map {
		my $name = $_;
		$name => sub ($c, $n) {
			my $answer = $self->_scripted($name) // {};
			$answer = { %{ $good{$name}->($self, $c) }, %$answer }
				unless grep { $_ ne 'hold' } keys %$answer;
			$self->_answer($c, $answer);
		}
	} keys %good };
}

# --- the script -----------------------------------------------------------

sub next ($self, $name, @answers) {
	$self->_script($name, sub ($s) { push @{ $s->{next} }, @answers });
	return;
}

sub always ($self, $name, $answer = undef) {
	$self->_script($name, sub ($s) {
		%$s = (next => [], always => $answer);
	});
	return;
}

sub release ($self, $name) { return $self->_put("go-$name", '') }

sub _scripted ($self, $name) {
	my $answer;
	$self->_script($name, sub ($s) {
		$answer = shift @{ $s->{next} // [] } // $s->{always};
	});
	return $answer;
}

# The test and the fakes are different processes.
sub _script ($self, $name, $change) {
	my $file = "$self->{dir}/$name";
	open my $lock, '>>', "$file.lock" or die "$file.lock: $!";
	flock $lock, LOCK_EX or die "flock: $!";
	my $script = -e $file ? thaw(Ringback::Test::slurp($file)) : {};
	$change->($script);
	$self->_put($name, freeze($script));
	close $lock;
	return;
}

sub _put ($self, $name, $bytes) {
	my $file = "$self->{dir}/$name";
	open my $fh, '>:raw', $file or die "$file: $!";
	print {$fh} $bytes;
	close $fh or die "$file: $!";
	return;
}

# --- answers --------------------------------------------------------------

sub _answer ($self, $c, $answer) {
	my %a = %$answer;
	my $tx = $c->tx;
	if (defined(my $name = delete $a{hold})) {
		$c->render_later;
		my $id;
		$id = Mojo::IOLoop->recurring(0.02 => sub ($loop) {
			return unless -e "$self->{dir}/go-$name";
			$loop->remove($id);
			$self->_answer($c, \%a) if $tx;
		});
		return;
	}
	return _break($c, $a{raw}) if $a{reset} || defined $a{raw};
	my $headers = $c->res->headers;
	$headers->header($_ => $a{headers}{$_}) for keys %{ $a{headers} // {} };
	$headers->content_type($a{type} //
		($a{json} ? 'application/json' : 'text/plain'));
	$c->res->body($a{json} ? encode_json($a{json}) : $a{body} // '');
	$c->rendered($a{status} // 200);
	return;
}

# Bytes as they are, then the end of the connection; or just its end.
sub _break ($c, $raw) {
	$c->render_later;
	my $stream = Mojo::IOLoop->stream($c->tx->connection);
	if (defined $raw) {
		$stream->write($raw => sub ($s) { $s->close });
	} else {
		setsockopt $stream->handle, SOL_SOCKET, SO_LINGER,
			pack 'ii', 1, 0;
		$stream->close;
	}
	return;
}

# The document that Twilio serves where there are no media (FACTS 2.3).
our $NOT_THERE = <<'XML';
<?xml version='1.0' encoding='UTF-8'?>
<TwilioResponse><RestException><Code>20404</Code><Message>The requested resource was not found</Message><Status>404</Status></RestException></TwilioResponse>
XML

sub _media ($self, $c) {
	return { status => 204 } if $c->req->method eq 'DELETE';
	my ($sid) = $c->req->url->path->to_string =~ /(RE[0-9a-f]{32})\.mp3$/;
	my $file = "$self->{dir}/" . ($sid // 'none');
	return { status => 404, type => 'application/xml', body => $NOT_THERE }
		unless -e $file;
	return { type => 'audio/mpeg', body =>
		Ringback::Test::slurp($file) };
}

sub _transcription ($self, $c) {
	my $bytes = $c->req->upload('file')->size;
	my $seconds = $bytes / FRAME * 0.072;
	return { json => { task => 'transcribe', language => 'english',
		duration => $seconds, text => " These are $bytes bytes. Bye.",
		segments => [
			{ id => 0, start => 0, end => $seconds / 2,
			text => " These are $bytes bytes.",
			avg_logprob => -0.2, no_speech_prob => 0.01 },
			{ id => 1, start => $seconds / 2, end => $seconds,
			text => ' Bye.', avg_logprob => -0.3,
			no_speech_prob => 0.02 },
		] } };
}

# An analysis as the schema has it; more or other members as given.
sub analysis (%more) {
	return { summary => 'A caller called.', key_points => ['a call'],
		pain_points => [], objections => [], next_steps => ['call'],
		sentiment => 'neutral', urgency => 'low', %more };
}

# The answer of /chat/completions that carries it (or any text).
sub completion ($content, %choice) {
	return { json => { id => 'c1', object => 'chat.completion',
		model => 'fake-llm-2', choices => [ { index => 0,
		finish_reason => 'stop', message => { role => 'assistant',
		content => ref $content ? encode_json($content) : $content,
		refusal => undef }, %choice } ] } };
}

sub _analysis ($self, $c) {
	my $said = decode_json($c->req->body)->{messages}[-1]{content};
	my ($transcript) = $said =~ /\A\S+\n(.*)\n\S+\z/s;
	return completion(analysis(summary => "They said: $transcript"));
}

# --- recordings -----------------------------------------------------------

# A recording that is due and whose media are these bytes.
sub recording ($self, $t, $media = undef, %more) {
	my $sid = $more{RecordingSid} //= Ringback::Test::sid('RE');
	$self->media($sid, $media) if defined $media;
	return $t->due_recording(%more);
}

# What Twilio has of a recording that is told of otherwise.
sub media ($self, $sid, $bytes) { return $self->_put($sid, $bytes) }

# mp3 as Twilio makes it: mono, 32 kbit/s, of that many frames of 72 ms.
sub speech ($frames) {
	state $mp3 = _mp3('flite -t "Hello. This is Martha from the bakery. '
		. 'Your cake is ready, you can pick it up on Tuesday after '
		. 'four. Please bring the blue box." -o');
	die 'not that long' if $frames * FRAME > length $mp3;
	return substr $mp3, 0, $frames * FRAME;
}

sub long_speech ($times) {
	state $one = speech(80);
	return $one x $times;
}

sub silence { return state $mp3 = _mp3('sox -n -r 8000 -c 1') }

sub _mp3 ($make_wav) {
	my $dir = tempdir(CLEANUP => 1);
	my $more = $make_wav =~ /^sox/ ? 'trim 0 4' : '';
	system("$make_wav $dir/a.wav $more >$dir/out 2>&1 && "
		. "lame --quiet -t --cbr -b 32 -m m --resample 8 $dir/a.wav "
		. "$dir/a.mp3 >>$dir/out 2>&1") == 0
		or die Ringback::Test::slurp("$dir/out");
	return Ringback::Test::slurp("$dir/a.mp3");
}

1;

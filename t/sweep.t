# SPDX-License-Identifier: ISC
# From a recording to its transcript and analysis, on days when everybody
# answers: what is asked of whom, what is kept, what is never paid for.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Mojo::JSON qw(decode_json);
use Mojo::Util qw(b64_encode);
use Ringback::Outside qw(speech silence long_speech completion analysis FRAME);
use Ringback::Pass;
use Ringback::Test;

my $SUB = 'AC' . 'feedface' x 4;
my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes, env => {
	OPENAI_API_KEY     => 'canary-openai-key-91',
	LLM_API_KEY        => 'canary-llm-key-37',
	LLM_MODEL          => 'fake-llm',
	TWILIO_SUBACCOUNTS => "$SUB:canary-sub-token-44",
});
my ($twilio, $openai, $llm) = map { $t->fake($_) } qw(twilio openai llm);
my $media = "/2010-04-01/Accounts/$Ringback::Test::ACCOUNT/Recordings";
my $basic = sub ($user, $password) {
	return 'Basic ' . b64_encode("$user:$password", '');
};

sub recording_row ($sid) {
	return $t->row('select * from twilio_recordings where recording_sid = ?',
		$sid);
}

sub transcript_row ($sid) {
	return $t->row('select * from transcriptions where recording_sid = ?',
		$sid);
}

# How many requests the paid services saw while something was done.
sub paid_during ($do) {
	my $before = $openai->requests + $llm->requests;
	$do->();
	return $openai->requests + $llm->requests - $before;
}

subtest 'a voicemail is transcribed, analysed and linked' => sub {
	$t->sql('insert into numbers (number, user_id) values (?, ?)
		returning 1', $Ringback::Test::NUMBER, 'user-123');
	my $sid = $outside->recording($t, speech(50), RecordingUrl =>
		'https://evil.example/2010-04-01/Accounts/x/Recordings/RE1');
	my ($status, $out, $err) = $t->sweep;
	is $status, 0, 'exit 0';
	is $out =~ s/[\d.]+(?= s\n)/0.1/r, 'ringback-sweep: 1 done, 0 without '
		. "speech, 0 failed, 0 later, 0 events replayed, "
		. "0 found at Twilio in 0.1 s\n",
		'one line for cron';
	is $err, '', 'and no other';

	my $r = recording_row($sid);
	is $r->{status}, 'completed', 'the recording is completed';
	is $r->{step}, 'done', 'and done with';
	is $r->{lease}, undef, 'nobody holds it';
	is $r->{last_error}, undef, 'nothing to complain about';
	my $k = transcript_row($sid);
	is $k->{transcription}, 'These are 14400 bytes. Bye.', 'transcript';
	is $k->{duration_seconds}, 4, 'length, as measured (3.6 s)';
	is $k->{language}, 'english', 'language';
	is $k->{model}, 'whisper-1', 'the model that transcribed';
	is $k->{status}, 'completed', 'status';
	is $k->{error}, undef, 'no error';
	is $k->{user_id}, 'user-123', "the number's owner";
	is $k->{filename}, "$sid.mp3", 'file name';
	is $k->{file_url}, $twilio->url . "$media/$sid",
		"where Twilio has it, whatever the callback said";
	my $segments = decode_json($k->{segments});
	is_deeply [ map { $_->{text} } @$segments ],
		[ 'These are 14400 bytes.', 'Bye.' ], 'segments';
	is $segments->[1]{end}, 3.6, 'with their times';
	is_deeply decode_json($k->{analysis}), { %{ analysis(summary =>
		'They said: These are 14400 bytes. Bye.') },
		model => 'fake-llm-2' },
		"the analysis has the schema's members and who made it";
	is $k->{analysis_model}, 'fake-llm-2', 'which has a column too';
	is $r->{transcription_id}, $k->{id}, 'the recording is linked';
	is $t->sql('select transcription_id from twilio_calls where
		recording_sid = ?', $sid), $k->{id}, 'and the call';
	is_deeply $t->dbh->selectall_arrayref(q{select step, outcome,
		finished_at >= started_at from api_calls order by id}),
		[ [ 'transcribe', 'HTTP 200', 1 ],
		[ 'analyse', 'HTTP 200', 1 ] ], 'both bills are in the ledger';
};

subtest 'and this is what everybody was asked' => sub {
	my ($get, @more) = $twilio->requests;
	is_deeply \@more, [], 'Twilio: one request';
	like $get->{path}, qr{^\Q$media\E/RE[0-9a-f]{32}\.mp3$},
		'for the mp3, by SID, below the configured base';
	is $get->{authorization}, $basic->($Ringback::Test::ACCOUNT,
		$Ringback::Test::TOKEN), 'with Basic credentials';

	(my $post, @more) = $openai->requests;
	is_deeply \@more, [], 'OpenAI: one request';
	is "$post->{method} $post->{path}", 'POST /v1/audio/transcriptions',
		'to the documented path';
	is $post->{authorization}, 'Bearer canary-openai-key-91', 'its key';
	is_deeply $post->{form}, { model => 'whisper-1',
		response_format => 'verbose_json', file => {
		filename => 'recording.mp3', type => 'audio/mpeg',
		bytes => 14400 } }, 'the fields of the form';

	(my $chat, @more) = $llm->requests;
	is_deeply \@more, [], 'the language model: one request';
	is "$chat->{method} $chat->{path}", 'POST /v1/chat/completions',
		'to the documented path';
	is $chat->{authorization}, 'Bearer canary-llm-key-37', 'another key';
	my $body = decode_json($chat->{body});
	is $body->{model}, 'fake-llm', 'the configured model';
	my ($system, $user) = @{ $body->{messages} };
	my ($fence) = $user->{content} =~
		/\A([0-9a-f]{24})\nThese are 14400 bytes\. Bye\.\n\1\z/;
	ok $fence, 'the transcript is data between two fences'
		or diag $user->{content};
	like $system->{content}, qr/\Q$fence\E/, 'that the task names';
	unlike $system->{content}, qr/14400/, 'and is nowhere else';
	my $format = $body->{response_format};
	is $format->{type}, 'json_schema', 'a schema is asked for';
	is_deeply [ sort @{ $format->{json_schema}{schema}{required} } ],
		[ sort keys %{ analysis() } ], 'of those fields';
};

subtest 'a second pass has nothing to do' => sub {
	is paid_during(sub { like(($t->sweep)[1], qr/: 0 done/, 'nothing') }),
		0, 'nothing is paid for twice';
};

subtest 'media that are not there yet come within the pass' => sub {
	my $sid = $outside->recording($t, speech(51));
	$outside->next(twilio => { status => 404, type => 'application/xml',
		body => $Ringback::Outside::NOT_THERE });
	my ($status, $out) = $t->sweep;
	is $status, 0, 'exit 0';
	like $out, qr/: 1 done/, 'done at the second try';
	is scalar $twilio->requests(qr/\Q$sid/), 2, 'of two';
	is recording_row($sid)->{attempts}, 1, 'which was not held against it';
	is transcript_row($sid)->{transcription}, 'These are '
		. 51 * FRAME . ' bytes. Bye.', 'and it is what was said';
};

subtest 'where nobody speaks nothing is paid for, and the row says why' => sub {
	my $wav = sub ($samples) {
		my $n = length $samples;
		return pack 'a4Va8VvvVVvva4V', 'RIFF', 36 + $n, 'WAVEfmt ', 16,
			1, 1, 8000, 16000, 2, 16, 'data', $n;
	};
	my $html = '<!DOCTYPE html><html><body>Sign in</body></html>';
	for my $case (
		[ '0 bytes', 'dead', qr/empty \(0 bytes\)/, { body => '',
			type => 'audio/mpeg' } ],
		[ 'a WAV header and no sound', 'dead', qr/no sound in it/,
			{ body => $wav->(''), type => 'audio/x-wav' } ],
		[ 'half an mp3 frame', 'dead', qr/not audio/,
			{ body => substr(speech(1), 0, 100),
			type => 'audio/mpeg' } ],
		[ 'HTML under an audio type', 'dead', qr/not audio/,
			{ body => $html, type => 'audio/mpeg' } ],
		[ 'HTML with 200', 'download', qr{text/html.* instead of audio},
			{ body => $html, type => 'text/html; charset=utf-8' } ],
		[ '404 when it is long since the call', 'dead',
			qr/Twilio answered 404/, { status => 404,
			type => 'application/xml',
			body => $Ringback::Outside::NOT_THERE } ],
	) {
		my ($name, $step, $why, $answer) = @$case;
		my $sid = $outside->recording($t);
		$t->sql(q{update twilio_recordings set first_attempt_at = now()
			- interval '16 minutes' where recording_sid = ?
			returning 1}, $sid);
		$outside->next(twilio => $answer);
		my $code;
		is paid_during(sub { ($code) = $t->sweep }), 0,
			"$name: no paid request";
		my $r = recording_row($sid);
		is $r->{step}, $step, "$name: $step";
		like $r->{last_error}, $why, "$name: says why";
		is $r->{status}, $step eq 'dead' ? 'failed' : 'pending',
			"$name: status";
		is $code, $step eq 'dead' ? 1 : 0, "$name: exit status";
		is transcript_row($sid), undef, "$name: no transcript";
	}
};

subtest 'silence is stored as silence' => sub {
	my $sid = $outside->recording($t, silence());
	is paid_during(sub {
		my ($status, $out) = $t->sweep;
		is $status, 0, 'exit 0';
		like $out, qr/0 done, 1 without speech/, 'counted as such';
	}), 0, 'no paid request';
	my $k = transcript_row($sid);
	is $k->{transcription}, '', 'nothing was said';
	is_deeply decode_json($k->{metadata}), { speech => 'silent' }, 'why';
	is $k->{model}, undef, 'no model heard it';
	is recording_row($sid)->{status}, 'completed', 'completed';
};

subtest 'what Whisper imagines in noise is not analysed' => sub {
	for my $answer ({ text => ' [BLANK_AUDIO]', segments => [] },
		{ text => ' Thanks for watching!', segments => [ { start => 0,
		end => 2, text => ' Thanks for watching!', avg_logprob => -1.3,
		no_speech_prob => 0.9 } ] }) {
		my $sid = $outside->recording($t, speech(45));
		my $asked = $llm->requests;
		$outside->next(openai => { json => $answer });
		like(($t->sweep)[1], qr/1 without speech/, $answer->{text});
		is scalar $llm->requests, $asked, 'not analysed';
		is transcript_row($sid)->{transcription}, '', 'not stored';
	}
};

subtest 'a long recording is sent in parts that join up' => sub {
	my $whole = long_speech(7);
	my $sid = $outside->recording($t, $whole);
	my $before = $openai->requests;
	my @said = map { "part $_ " . 'word ' x 150 . "end$_." } 1 .. 5;
	$outside->next(openai => map { { json => { text => $_, language =>
		'english', duration => 10, segments => [ { start => 0.5,
		end => 9, text => $_ } ] } } } @said);
	my ($status) = Ringback::Pass->run($t,
		{ TRANSCRIBE_MAX_BYTES => 65536 });
	$outside->always('openai');
	is $status, 0, 'exit 0';
	my @sent = ($openai->requests)[$before .. $openai->requests - 1];
	my $parts = @sent;
	ok $parts >= 3, "$parts parts";
	my $total = 0;
	$total += $_->{form}{file}{bytes} for @sent;
	is $total, length $whole, 'every byte once';
	is scalar(grep { $_->{form}{file}{bytes} > 65536 - 8192 } @sent), 0,
		'each with room for the form around it';
	is $sent[0]{form}{prompt}, undef, 'the first has no prompt';
	for my $i (1 .. $#sent) {
		my $prompt = $sent[$i]{form}{prompt};
		like $prompt, qr/word end$i\.$/,
			"part $i + 1 is told how the one before ended";
		ok length $prompt <= 600, 'and no more than Whisper reads';
	}
	my $k = transcript_row($sid);
	is $k->{transcription}, join(' ', @said[0 .. $#sent]),
		'the texts are joined in order';
	my @starts = map { $_->{start} } @{ decode_json($k->{segments}) };
	is scalar @starts, $parts, 'all segments';
	is_deeply \@starts, [ sort { $a <=> $b } @starts ], 'times go forward';
	ok $starts[1] > 9 && $starts[-1] < $k->{duration_seconds},
		'and are those of the whole recording';
	is $k->{duration_seconds}, int(7 * 80 * 0.072 + 0.5), 'its length too';
};

subtest 'other models are asked as they want to be' => sub {
	for my $case (
		[ 'gpt-4o-transcribe', { response_format => 'json' } ],
		[ 'gpt-4o-transcribe-diarize', { response_format =>
			'diarized_json', chunking_strategy => 'auto' } ],
	) {
		my ($model, $fields) = @$case;
		my $sid = $outside->recording($t, speech(52));
		$outside->next(openai => { json => { text => 'Hello there.',
			segments => $model =~ /diarize/ ? [ { type =>
			'transcript.text.segment', id => 'seg_1', start => 0,
			end => 1, text => 'Hello there.', speaker => 'A' } ] :
			undef } });
		my ($status) = Ringback::Pass->run($t, { TRANSCRIBE_MODEL =>
			$model, TRANSCRIBE_LANGUAGE => 'de' });
		is $status, 0, "$model: exit 0";
		my $form = ($openai->requests)[-1]{form};
		delete $form->{file};
		is_deeply $form, { model => $model, language => 'de',
			%$fields }, "$model: the form";
		my $k = transcript_row($sid);
		is $k->{transcription}, 'Hello there.', "$model: the text";
		like $k->{segments}, qr/"speaker": "A"/, "$model: who spoke"
			if $model =~ /diarize/;
	}
};

subtest "a subaccount's recording is fetched with its own token" => sub {
	my %call = $t->call(AccountSid => $SUB);
	my %r = $t->recording($call{CallSid}, AccountSid => $SUB);
	$outside->next(twilio => { type => 'audio/mpeg', body => speech(53) });
	is $t->post_signed('/api/twilio/recording-status', \%r,
		token => 'canary-sub-token-44')->status, 204, 'announced';
	like(($t->sweep)[1], qr/: 1 done/, 'done');
	my ($get) = $twilio->requests(qr/$r{RecordingSid}/);
	is $get->{path}, "/2010-04-01/Accounts/$SUB/Recordings/"
		. "$r{RecordingSid}.mp3", "at the subaccount's address";
	is $get->{authorization}, $basic->($SUB, 'canary-sub-token-44'),
		'with its credentials';
};

subtest 'an API key takes the place of the Auth Token' => sub {
	my $sid = $outside->recording($t, speech(54));
	my $key = 'SK' . '5' x 32;
	my ($status) = Ringback::Pass->run($t, { TWILIO_API_KEY => $key,
		TWILIO_API_SECRET => 'canary-api-secret' });
	is $status, 0, 'done';
	is +($twilio->requests(qr/$sid/))[0]{authorization},
		$basic->($key, 'canary-api-secret'), 'Basic, key and secret';
};

subtest 'media that are elsewhere are fetched there, without credentials' => sub {
	my $mp3 = speech(55);
	my $storage = Ringback::Fake->new(sub ($c, $n) {
		return $c->redirect_to('/again/' . $n) if $c->req->url->path =~
			/loop|again/;
		$c->res->headers->content_type('audio/mpeg');
		$c->render(data => $mp3);
	});
	my $sid = $outside->recording($t);
	$outside->next(twilio => { status => 302, headers => { Location =>
		$storage->url . '/bucket/x.mp3?Signature=abc' } });
	like(($t->sweep)[1], qr/: 1 done/, 'done');
	my ($get) = $storage->requests;
	is "$get->{path}?$get->{query}", '/bucket/x.mp3?Signature=abc',
		'the whole address';
	is $get->{authorization}, undef, 'no credentials';
	is transcript_row($sid)->{transcription}, 'These are '
		. 55 * FRAME . ' bytes. Bye.', 'those media';

	$sid = $outside->recording($t);
	$outside->next(twilio => { status => 302, headers => { Location =>
		$storage->url . '/loop' } });
	is paid_during(sub { is(($t->sweep)[0], 1, 'exit 1') }), 0,
		'a redirection without end';
	like recording_row($sid)->{last_error}, qr/Twilio answered 302/,
		'is told as such';
	is scalar $storage->requests(qr/loop|again/), 3, 'after three';
	$storage->stop;
};

subtest 'deletion at Twilio is asked for, and comes after success' => sub {
	my ($good, $bad) = ($outside->recording($t, speech(56)),
		$outside->recording($t, ''));
	$t->sweep;
	is scalar $twilio->requests(qr/^DELETE/), 0, 'not by default';
	my $again = $outside->recording($t, speech(57));
	Ringback::Pass->run($t, { TWILIO_DELETE_RECORDINGS => 'yes' });
	my %deleted = map { $_->{path} => $_ } $twilio->requests(qr/^DELETE/);
	ok $deleted{"$media/$_.json"}, 'what was transcribed'
		for $good, $again;
	ok !$deleted{"$media/$bad.json"}, 'not what failed';
	is $deleted{"$media/$good.json"}{authorization}, $basic->(
		$Ringback::Test::ACCOUNT, $Ringback::Test::TOKEN),
		'with credentials';
	my ($get, $delete) = map { $_->{method} } $twilio->requests(
		qr/\Q$again/);
	is "$get $delete", 'GET DELETE', 'when it was done with';
	ok recording_row($again)->{deleted_at}, 'the row knows';
	my $count = $twilio->requests(qr/^DELETE/);
	Ringback::Pass->run($t, { TWILIO_DELETE_RECORDINGS => 'yes' });
	is scalar $twilio->requests(qr/^DELETE/), $count, 'once';
};

subtest 'options: --dry-run, --limit, --jobs, --verbose' => sub {
	my @sids = map { $outside->recording($t, speech(60 + $_)) } 1 .. 3;
	my $before = $twilio->requests;
	my ($status, $out) = $t->sweep('--dry-run');
	is $status, 0, '--dry-run: exit 0';
	like $out, qr/^\Q$_\E  download  due for \d+ s, 0 attempts$/m,
		'--dry-run: names it' for @sids;
	like $out, qr/^3 recordings are due; nothing was done$/m, 'counts';
	is scalar $twilio->requests, $before, '--dry-run: asks nobody';
	is recording_row($sids[0])->{attempts}, 0, '--dry-run: changes none';

	($status, $out) = $t->sweep('--limit', 1);
	like $out, qr/: 1 done/, '--limit 1: one';
	is recording_row($sids[0])->{step}, 'done', 'the oldest';
	($status, $out, my $err) = $t->sweep('--verbose', '--jobs', 1);
	like $out, qr/: 2 done/, '--jobs 1: the rest';
	like $err, qr/done.*recording=\Q$_\E/, '--verbose: a line for each'
		for @sids[1, 2];
	unlike $err, qr/These are/, '--verbose: not what was said';
	for my $args ([ '--jobs', 0 ], [ '--jobs', 65 ], [ '--limit', 'x' ],
		[ '--what' ], [ 'what' ]) {
		($status, $out, $err) = $t->sweep(@$args);
		is $status, 64, "@$args: exit 64";
		like $err, qr/usage: ringback-sweep/, 'and how to say it';
	}
	like(($t->sweep('--version'))[1], qr/^ringback-sweep \d/, '--version');
};

subtest 'a configuration that will not do is refused with 78' => sub {
	my ($status, $out, $err) = Ringback::Pass->run($t,
		{ SWEEP_JOBS => 'many', OPENAI_BASE_URL => 'ftp://x' });
	is $status, 78, 'exit 78';
	is $out, '', 'no summary of nothing';
	like $err, qr/SWEEP_JOBS.*OPENAI_BASE_URL|OPENAI_BASE_URL.*SWEEP_JOBS/s,
		'both errors at once';
};

subtest 'so is a schema that will not do, before anything is paid for' => sub {
	my $sid = $outside->recording($t, speech(61));
	$t->dbh->do('alter table transcriptions rename segments to pieces');
	my ($status, $out, $err);
	is paid_during(sub { ($status, $out, $err) = $t->sweep }), 0,
		'nobody is asked';
	is $status, 78, 'exit 78';
	like $err, qr/statement SQL_TRANSCRIBED does not fit/, 'and why';
	is recording_row($sid)->{attempts}, 0, 'nothing is claimed';
	$t->dbh->do('alter table transcriptions rename pieces to segments');
	like +($t->sweep)[1], qr/: 1 done/, 'put right, it is done';
};

subtest 'media are never a file that has a name' => sub {
	my $trace = $t->dir . '/run/trace';
	my ($status) = Ringback::Test::run_command(qw(strace -f -o /dev/null
		true));
	plan skip_all => 'strace does not work here' if $status != 0;
	my $sid = $outside->recording($t, speech(58));
	($status) = Ringback::Pass->run($t, { before => [ qw(strace -f -y -o),
		$trace, '-e', 'trace=open,openat,creat,rename,renameat,'
		. 'renameat2,link,linkat,memfd_create' ],
		# LeakSanitizer is a tracer itself.
		ASAN_OPTIONS => 'detect_leaks=0' });
	is $status, 0, 'done';
	my @made = grep { /O_CREAT|O_TMPFILE|O_WRONLY|O_RDWR|creat\(|rename|link/
		&& !m{"/dev/null"|/spool/(?:lock|)"|/run/metrics"} }
		split /\n/, Ringback::Test::slurp($trace);
	is_deeply \@made, [], 'no file was written';
	ok -s $trace, '(and there was a trace)';
	is recording_row($sid)->{step}, 'done', 'of a pass that did its work';
};

$t->done;

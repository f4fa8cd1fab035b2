# SPDX-License-Identifier: ISC
# Somebody wants to be forgotten: one command, all of it goes, here and at
# Twilio, whatever gets in its way, and none of it comes back.
use v5.36;
use utf8;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use MIME::Base64 qw(encode_base64);
use Ringback::Outside qw(analysis completion);
use Ringback::Pass;
use Ringback::Test;
use Time::HiRes qw(sleep);

my $WHO   = '+15005550006';
my $OTHER = '+15005550007';
my $OURS  = $Ringback::Test::NUMBER;
my $HEARD = 'my secret recipe for gooseberry jam';
my $WROTE = 'gooseberries are best in july';

my $t = Ringback::Test->new(carrier => 1, fakes => {
	# The first to be heard is somebody else.
	openai => sub ($c, $n) {
		my $said = $n == 1 ? 'the cake is ready' : $HEARD;
		$c->render(json => { task => 'transcribe',
			language => 'english', duration => 3, text => $said,
			segments => [ { id => 0, start => 0, end => 3,
			text => $said, avg_logprob => -0.2,
			no_speech_prob => 0.01 } ] });
	},
	llm    => sub ($c, $) { $c->render(json => completion(analysis(
		summary => 'About ' . ($c->req->body =~ /gooseberr/ ?
		'gooseberries' : 'cake')))->{json}) },
});
my $c = $t->carrier;

# It goes on as user ringback, who may look into the spool.
sub start (@args) {
	my $dir = File::Temp::tempdir(CLEANUP => 1);
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>', "$dir/out";
		open STDERR, '>', "$dir/err";
		exec Ringback::Pass::program($t, 'admin'), '-f', $t->dir . '/.env', @args
			or POSIX::_exit(127);
	}
	return { pid => $pid, dir => $dir };
}

sub end ($run) {
	waitpid $run->{pid}, 0;
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8,
		map { Ringback::Test::slurp("$run->{dir}/$_") } qw(out err));
}

sub admin (@args) { return end(start(@args)) }

sub sweep (@args) { return Ringback::Pass->run($t, @args) }

# A caller speaks, a correspondent writes; both as Twilio tells it.
sub voicemail ($from) { return $c->control(POST => call => { from => $from,
	say => 'anything', to => $OURS }) }
sub text ($from, $body, @media) { return $c->control(POST => text => {
	from => $from, to => $OURS, body => $body, media => [ map { {
	base64 => encode_base64($_), content_type => 'image/png' } } @media ] })
	->{message_sid} }

# Where in the database any of these stands: table.column.
sub database_has (@needles) {
	my $columns = $t->dbh->selectall_arrayref(q{
		select table_name, column_name, case data_type when 'bytea'
		then format('encode(%I, $$escape$$)', column_name)
		else format('%I::text', column_name) end
		from information_schema.columns where table_schema = 'public'
		and data_type in ('text', 'bytea', 'jsonb', 'ARRAY',
		'character varying')});
	my %found;
	for (@$columns) {
		my ($table, $column, $text) = @$_;
		$found{"$table.$column"}++ for grep { $t->sql("select count(*)
			from $table where strpos($text, ?) > 0", $_) } @needles;
	}
	return sort keys %found;
}

sub files_have (@needles) {
	my $dir = $t->dir;
	my @found;
	for my $file (grep { -f } map { glob "$_/* $_/.[a-z]*" } map { "$dir/$_" }
	    qw(spool spool/new spool/bad spool/tmp fallback)) {
		my $bytes = Ringback::Test::slurp($file);
		push @found, $file =~ s{^\Q$dir/}{}r
			for grep { index($bytes, $_) >= 0 } @needles;
	}
	return @found;
}

# All that is Somebody's: number, words, and what was heard.
my @HIS = (substr($WHO, 1), 'gooseberr');

sub own (@dirs) {
	my ($uid, $gid) = (stat $t->dir . '/fallback')[4, 5];
	chown $uid, $gid, @dirs;
	return;
}

# What nginx keeps while no worker answers.
sub kept ($name, $path, $form, $signature = undef) {
	my $file = $t->dir . "/fallback/$name";
	open my $fh, '>:raw', $file or die "$file: $!";
	print {$fh} "$path\n" . ($signature // Ringback::Test::signature($t->base
		. $path, $form)) . "\n" . Ringback::Test::encode($form) . "\n";
	close $fh;
	own($file);
	utime time - 60, time - 60, $file;
	return;
}

# --- what there is ---------------------------------------------------------

my $key = $t->key(name => 'test');
my $others_call = voicemail($OTHER);
is +(sweep())[0], 0, 'a sweep hears somebody else';
my $call = voicemail($WHO);
my $text = text($WHO, $WROTE);
my $picture = text($WHO, 'gooseberries', 'PNG-one', 'PNG-two');
my $others_text = text($OTHER, 'nothing about fruit');
text($WHO, 'STOP');
text($OTHER, 'STOP');
text($OTHER, 'START');
is $t->api(POST => '/api/twilio/send-sms', $key, { to => $OTHER,
	body => 'as you wish' })->status, 201, 'somebody else is texted';
is $t->api(POST => '/api/twilio/make-call', $key, { to => $WHO,
	message => 'gooseberry jam is ready', record => \1 },
	{ 'Idempotency-Key' => "jam-$WHO" })->status, 201, 'and one is called';
$c->idle;
is +(sweep())[0], 0, 'a sweep hears and understands it all';
$t->dbh->do(q{insert into twilio_calls (call_sid, from_number, to_number,
	direction, status, metadata) values ('CA' || repeat('e', 32), ?, ?,
	'inbound', 'completed', jsonb_build_object('ForwardedFrom', ?::text,
	'CallerName', 'kept'))}, undef, $OTHER, $OURS, $WHO);

sub of_other () {
	return join "\n", map { join '|', map { $_ // '' } @$_ } @{
		$t->dbh->selectall_arrayref(q{
		select call_sid, from_number, to_number, status from
		twilio_calls where $1 in (from_number, to_number)
		union all select message_sid, from_number, body, status from
		twilio_sms where $1 in (from_number, to_number)
		union all select t.recording_sid, t.transcription,
		t.analysis::text, r.step from transcriptions t join
		twilio_recordings r using (recording_sid) join twilio_calls c
		on c.call_sid = r.call_sid where $1 in (from_number, to_number)
		union all select w.sid, encode(w.body, 'escape'), w.route, ''
		from webhook_events w join twilio_sms s on s.message_sid =
		w.sid where s.from_number = $1 order by 1, 2, 3}, undef, $OTHER)};
}
my $others = of_other();
like $others, qr/the cake is ready/, 'of others there is a transcript, too';
ok +(grep { $_ eq $_ } database_has(@HIS)), 'and his is there to be found';

# What waits on disk: for the database, and for a worker.
my %waiting = $t->call(From => $WHO, Caller => $WHO);
kept('call', '/api/twilio/voice', \%waiting);
kept('forged', '/api/twilio/sms', { $t->text(From => $WHO, Body => $WROTE) },
	'nonsense');
kept('.bad-1', '/api/twilio/sms', { $t->text(From => $WHO, Body => $WROTE) });
kept('others', '/api/twilio/sms', { $t->text(From => $OTHER, Body =>
	'this one waited') });
for my $sub (qw(bad tmp)) {
	my $file = $t->dir . "/spool/$sub/half";
	open my $fh, '>', $file or die $!;
	print {$fh} 'From=%2B' . substr($WHO, 1) . "&Body=$WROTE";
	close $fh;
	own($file);
	utime time - 7200, time - 7200, $file;
}
{
	# A slot that was used and freed, as an older version left it.
	open my $fh, '+<:raw', $t->dir . '/spool/reserve' or die $!;
	seek $fh, 5 * 16384 + 1, 0;
	print {$fh} "From=%2B" . substr $WHO, 1;
	close $fh;
}

# --- by accident -----------------------------------------------------------

subtest 'wrong input erases nothing' => sub {
	my $before = of_other();
	for ([ 64, qr/country code/, '5005550006' ], [ 64, qr/country code/,
	    '+1 (500) 555-0006' ], [ 64, qr/usage/, $WHO, $OTHER ],
	    [ 64, qr/usage/ ], [ 64, qr/country code/, 'all' ],
	    [ 1, qr/number of yours/, $OURS ]) {
		my ($want, $why, @args) = @$_;
		my ($status, $out, $err) = admin('erase', @args);
		is $status, $want, "erase @args";
		like $err, $why, 'why';
		is $out, '', 'no receipt';
	}
	$t->dbh->do('insert into numbers (number) values (?)', undef, $OTHER);
	my ($status, undef, $err) = admin('erase', $OTHER);
	like $err, qr/number of yours/, 'nor of an assigned number';
	$t->dbh->do('delete from numbers');
	$c->control(POST => numbers => { number => '+15005550100' });
	is +(admin('erase', '+15005550100'))[0], 1,
		'nor of one that Twilio has pointed here';
	SKIP: {
		skip 'not as root', 2 if $>;
		my $dir = File::Temp::tempdir(CLEANUP => 1);
		system 'cp', $t->dir . '/.env', $dir;
		chown +(getpwnam 'nobody')[2, 3], $dir, "$dir/.env";
		($status, undef, $err) = Ringback::Test::run_command(
			Ringback::Pass::as_user('nobody'),
			Ringback::Pass::program($t, 'admin'), '-f',
			"$dir/.env", 'erase', $WHO);
		is $status, 1, 'not as a user who may not look there';
		like $err, qr/is not for this user/, 'which it says';
	}
	my $command = join ' ', Ringback::Pass::program($t, 'admin'), '-f', $t->dir . '/.env',
		'erase', $WHO;
	my $out;
	($status, $out) = Ringback::Test::run_command('sh', '-c',
		"echo 1234 | script -qec '$command' /dev/null");
	is $status, 1, 'at a terminal it asks';
	like $out, qr/\b2 calls.*last four digits.*nothing was erased/s,
		'and takes no wrong answer';
	is of_other(), $before, 'all is as it was';
};

subtest 'a dry run says what there is' => sub {
	my $before = join ' ', database_has(@HIS), files_have(@HIS);
	$c->mark;
	my ($status, $out, $err) = admin('erase', '--dry-run', $WHO);
	is $status, 0, 'done' or diag $err;
	like $out, qr/^HERE +2  calls$/m, 'calls';
	like $out, qr/^HERE +3  texts$/m, 'texts';
	like $out, qr/^HERE +2  recordings$/m, 'recordings';
	like $out, qr/^HERE +2  transcripts/m, 'transcripts';
	like $out, qr/^HERE +2  webhooks that wait/m, 'webhooks that wait';
	like $out, qr/^HERE +3  files that nobody/m, 'what nobody could read';
	like $out, qr/^TWILIO +2  calls/m, "Twilio's calls";
	like $out, qr/^TWILIO +\d+  texts/m, 'and texts';
	is_deeply [ grep { $_->{method} ne 'GET' } $c->requests ], [],
		'Twilio is asked for lists only';
	is join(' ', database_has(@HIS), files_have(@HIS)), $before,
		'nothing has changed';
	unlike $out, qr/\Q$WHO/, 'the number is not repeated';
};

# --- killed, and an outage -------------------------------------------------

# When nothing is to be found here any more.
sub nothing_left ($name) {
	is_deeply [ database_has(@HIS) ], [ 'opt_outs.recipient' ],
		"$name: the database has nothing but the opt-out";
	is_deeply [ files_have(@HIS) ], [], "$name: nor has any file";
	return;
}

my $receipts = '';
subtest 'killed while the database is at work' => sub {
	$t->dbh->begin_work;
	$t->dbh->do('lock table transcriptions in access exclusive mode');
	my $run = start('erase', $WHO);
	$t->wait_for('it to wait for us', sub { $t->sql(q{select count(*) from
		pg_locks where not granted}) });
	kill 'KILL', $run->{pid};
	is +(end($run))[0], 137, 'killed';
	$t->dbh->rollback;
	$t->wait_for('its session to end', sub { !$t->sql(q{select count(*)
		from pg_stat_activity where application_name =
		'ringback-admin'}) });
	ok $t->sql('select count(*) from twilio_calls where call_sid = ?',
		$call->{call_sid}), 'what was not committed is all there';
};

subtest 'Twilio is down' => sub {
	$c->stop;
	my ($status, $out) = admin('erase', $WHO);
	$receipts .= $out;
	$c->start;
	is $status, 75, 'to be run again';
	like $out, qr/^HERE +3  calls$/m, 'here all of it is gone';
	like $out, qr/^TWILIO +$call->{recording_sid} +LEFT: /m,
		'the recording is on the list of what is left';
	like $out, qr/^LEFT +what only Twilio knows/m, 'and the lists';
	like $out, qr/^LATER /m, 'in so many words';
	nothing_left('Twilio down');
};

subtest 'killed while Twilio is asked' => sub {
	$c->mark;
	$c->fault(match => 'DELETE .*/Media/', times => 1, status => 503,
		headers => { 'Retry-After' => 1 });
	$c->fault(match => 'GET .*/Calls/CA', hold => \1);
	my $run = start('erase', $WHO);
	$t->wait_for('the recordings of a call', sub { scalar
		$c->requests(qr{^GET .*/Calls/CA}) });
	kill 'KILL', $run->{pid};
	my ($status, $out) = end($run);
	is $status, 137, 'killed';
	$receipts .= $out;
	$c->mend;
	like $out, qr/^TWILIO +RE\w+ +recording (?:deleted|was gone)/m,
		'what it had done it had said';
	nothing_left('killed');
};

subtest 'Twilio is busy: it is asked again when it said' => sub {
	$c->mark;
	$c->fault(match => 'GET .*/Calls\.json', times => 1, status => 429,
		headers => { 'Retry-After' => 1 });
	my ($status, $out, $err) = admin('erase', $WHO);
	$receipts .= $out;
	is $status, 0, 'done' or diag "$out$err";
	is scalar $c->requests(qr{GET .*/Calls\.json}), 3, 'once more';
	like $out, qr/^KEPT +here: that it said STOP to \Q$OURS\E on /m,
		'the STOP is kept';
	like $out, qr/^KEPT +Twilio: its log of 2 calls and \d texts/m,
		'and so is what Twilio keeps';
	like $out, qr/^DONE$/m, 'done';
	unlike $out, qr/LEFT/, 'nothing is left';
};

subtest 'Twilio has nothing of it but its log' => sub {
	my @texts = grep { $_->{from} eq $WHO || $_->{to} eq $WHO }
		$c->list('messages');
	ok scalar @texts, 'texts';
	is_deeply [ grep { length } map { $_->{body} } @texts ], [],
		'which say nothing';
	my %his = map { $_->{sid} => 1 } grep { $_->{from} eq $WHO ||
		$_->{to} eq $WHO } $c->list('calls');
	is scalar keys %his, 2, 'two calls';
	my @recordings = $c->list('recordings');
	is_deeply [ grep { $his{ $_->{call_sid} } } @recordings ], [],
		'without recordings';
	ok +(grep { $_->{sid} eq $others_call->{recording_sid} } @recordings),
		"somebody else's is there";
	is +(grep { $_->{sid} eq $others_text } $c->list('messages'))[0]{body},
		'nothing about fruit', 'and what somebody else wrote';
	is_deeply [ $c->violations ], [], 'all was asked as Twilio wants it';
};

subtest 'others have lost nothing' => sub {
	my $now = of_other();
	like $now, qr/this one waited/, 'what waited of theirs was taken in';
	is join("\n", grep { !/this one|this%20one/ } split /\n/, $now),
		$others, 'the rest is as it was';
	is $t->sql(q{select metadata::text from twilio_calls where call_sid =
		'CA' || repeat('e', 32)}), '{"CallerName": "kept"}',
		'only the number that had forwarded a call is gone from it';
	is $t->api(POST => '/api/twilio/send-sms', $key, { to => $WHO,
		body => 'are you there?' })->status, 403,
		'who said STOP is not texted';
	isnt $t->sql('select count(*) from api_calls'), 0, 'amounts are kept';
};

# --- it does not come back -------------------------------------------------

subtest 'a second time' => sub {
	my ($status, $out) = admin('erase', $WHO);
	$receipts .= $out;
	is $status, 0, 'is no error';
	like $out, qr/^HERE +0  calls$/m, 'there is nothing any more';
	like $out, qr/^TWILIO +$text +text was empty/m, 'nor at Twilio';
};

subtest 'a webhook that comes late' => sub {
	my %late = $t->call(CallSid => $call->{call_sid}, From => $WHO,
		Caller => $WHO, CallStatus => 'completed', CallDuration => 61);
	is $t->post_signed('/api/twilio/status', \%late)->status, 204,
		'is answered as ever';
	is $t->post_signed('/api/twilio/recording-status', { $t->recording(
		$call->{call_sid}) })->status, 204, 'another';
	is $t->post_signed('/api/twilio/sms', { $t->text(MessageSid => $text,
		SmsSid => $text, Body => "$WROTE, again", From => $WHO) })
		->status, 200, 'and a text';
	cmp_ok scalar(my @back = database_has(@HIS)), '>', 1, 'for a moment it is there';
	$c->mark;
	my ($status, $out, $err) = sweep();
	is $status, 0, 'until the next sweep' or diag "$out$err";
	nothing_left('late');
	is scalar $c->requests(qr/mp3/), 0, 'which does not listen to it';
	is $t->sql('select count(*) from twilio_calls where call_sid = ?',
		$call->{call_sid}), 0, 'nor is there a row without a number';
};

subtest 'a spool that was forgotten on another machine' => sub {
	my %late = $t->text(MessageSid => $picture, SmsSid => $picture,
		From => $WHO, Body => "$WROTE, once more");
	kept('late', '/api/twilio/sms', \%late);
	is +(sweep())[0], 0, 'is taken in';
	nothing_left('spool');
};

subtest 'nor do sweeps, replay or reconcile bring it back' => sub {
	$c->control(POST => age => { seconds => 120 });
	my ($status, $out, $err) = sweep({ RECONCILE_MINUTES => 1 });
	is $status, 0, 'a sweep that looks at the lists' or diag "$out$err";
	nothing_left('a sweep');
	is +(admin(qw(reconcile --since 2020-01-01)))[0], 0, 'reconcile';
	nothing_left('reconcile');
	admin(qw(replay --since 2020-01-01));
	nothing_left('replay');
	$t->post_signed('/api/twilio/sms', { $t->text(From => $WHO,
		Body => 'Hello again') });
	is $t->sql('select count(*) from twilio_sms where from_number = ?',
		$WHO), 1, 'but who writes anew is here again';
	my ($again, $receipt) = admin('erase', $WHO);
	is $again, 0, 'until erased again';
	$receipts .= $receipt;
};

subtest 'a call that goes on, and a text on its way, are for later' => sub {
	$c->control(POST => 'hold');
	is $t->api(POST => '/api/twilio/make-call', $key, { to => $WHO,
		message => 'gooseberries' })->status, 201, 'a call begins';
	my ($status, $out) = admin('erase', $WHO);
	is $status, 75, 'not all can be erased';
	like $out, qr/^TWILIO +CA\w+ +LEFT: the call goes on$/m, 'it says why';
	$c->control(DELETE => 'hold');
	$c->idle;
	$t->dbh->do(q{insert into twilio_sms (to_number, body, status) values
		(?, 'gooseberry', 'unknown')}, undef, $WHO);
	($status, $out) = admin('erase', $WHO);
	is $status, 75, 'and one whose SID nobody knows yet';
	like $out, qr/^LEFT +1 calls and texts that are being sent/m, 'so too';
	$t->dbh->do(q{update twilio_sms set status = 'failed' where message_sid
		is null});
	is +(admin('erase', $WHO))[0], 0, 'later it is erased';
	nothing_left('later');
};

subtest 'a sweep goes on with what Twilio could not do' => sub {
	text($WHO, $WROTE);
	$c->fault(match => 'Messages/', status => 500, times => 3);
	is +(admin('erase', $WHO))[0], 75, 'not now';
	$c->mend;
	$t->dbh->do('update erased set run_at = now() where run_at is not null');
	is +(sweep())[0], 0, 'a sweep';
	is $t->sql('select count(*) from erased where run_at is not null'), 0,
		'has seen to it';
	is_deeply [ grep { /gooseberr/ } map { $_->{body} }
		$c->list('messages') ], [], 'Twilio has forgotten it';
};

# --- the receipt -----------------------------------------------------------

unlike $receipts, qr/\Q$_/, 'no receipt has his number or words' for @HIS;
is scalar(() = $receipts =~ /^TWILIO +ME\w+ +media deleted$/mg), 2,
	'but that both pictures were deleted';
like $receipts, qr/^TWILIO +$text +text redacted; its record stays$/m,
	'that a text says nothing any more';
like $receipts, qr/^TWILIO +$call->{recording_sid} +recording deleted$/m,
	'that a recording is gone';
like $receipts, qr/^ERASE +a number ending in 06, \d{4}-/m, 'when, and whose';
is_deeply [ grep { !/^(?:ERASE|HERE|TWILIO|LEFT|KEPT|DONE|LATER)(?: |$)/ }
	split /\n/, $receipts ], [], 'each line says what it is about';

$t->done;

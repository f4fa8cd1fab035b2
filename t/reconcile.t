# SPDX-License-Identifier: ISC
# What no webhook has told us is found on Twilio's lists: history on the first
# look, what got lost ever after, and no more than what is ours.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Pass;
use Ringback::Test;

my $t = Ringback::Test->new(carrier => 1, env => { RECONCILE_MINUTES => 1 });
my $c = $t->carrier;
my ($bin) = Ringback::Test::slurp($t->dir . '/.state') =~ /^BINDIR=(.+)$/m;

sub lossy ($percent) { return $c->control(POST => lossy => { percent =>
	$percent }) }
sub call (%more) { return $c->control(POST => call => { silent => \1,
	from => '+15005550006', %more }) }
sub text (%more) { return $c->control(POST => text => { body => 'hello',
	from => '+15005550006', %more }) }

# So much later the next look is due.
sub later ($seconds = 120) {
	$c->control(POST => age => { seconds => $seconds });
	$t->dbh->do('update reconciliations set run_at = now()');
	return;
}

sub sweep_finds ($n, $name) {
	my ($status, $out, $err) = Ringback::Pass->run($t);
	is $status, 0, "$name: the pass ends well" or diag "$out$err";
	like $out, qr/ $n found at Twilio/, "$name: $n found";
	return $err;
}

sub admin (@args) {
	return Ringback::Test::run_command("$bin/ringback-admin", '-f',
		$t->dir . '/.env', @args);
}

# Number of rows with these SIDs, whichever table.
sub rows (@sids) {
	return $t->sql('select (select count(*) from twilio_calls where
		call_sid = any($1)) + (select count(*) from twilio_sms where
		message_sid = any($1)) + (select count(*) from twilio_recordings
		where recording_sid = any($1))', \@sids);
}

subtest 'the first look takes in history' => sub {
	lossy(100);
	my @texts = map { text(body => "number $_")->{message_sid} } 1 .. 60;
	my $told = $c->control(POST => media => { base64 => 'AAAA' });
	my $call = call(seconds => 5)->{call_sid};
	lossy(0);
	later(3600);
	my $err = sweep_finds(61, 'first');
	is rows(@texts, $call), 61, 'every text and call is here';
	unlike $err, qr/warn/, 'which is no alarm';
	my $row = $t->row('select *, extract(epoch from now() - created_at) as
		age from twilio_sms where message_sid = ?', $texts[0]);
	is "$row->{body} $row->{direction} $row->{status}",
		'number 1 inbound received', 'as it was';
	cmp_ok $row->{age}, '>=', 3600, 'when it was';
	is $t->sql(q{select source from webhook_events where sid = ?},
		$texts[0]), 'reconcile', 'the journal says how we know';
	is $t->sql(q{select count(*) from twilio_recordings where recording_sid
		= ?}, $told->{recording_sid}), 0,
		"a recording of somebody else's call is none of ours";
	sweep_finds(0, 'again');
	later(0);
	sweep_finds(0, 'a minute later');
};

subtest 'a webhook that never came is found within the hour' => sub {
	lossy(100);
	my $text = text(body => 'lost')->{message_sid};
	later(10);
	sweep_finds(0, 'it may be on its way still');
	later();
	my $err = sweep_finds(1, 'now');
	like $err, qr/warn .*found at Twilio.*list=Messages.* missed=1/,
		'somebody is told that webhooks get lost';
	is rows($text), 1, 'stored';
	lossy(0);
};

subtest 'an answer of our own comes into the history, too' => sub {
	my $reply = text(body => 'anybody there?');
	$c->idle;
	later();
	my $err = sweep_finds(1, 'the reply');
	is $t->sql(q{select body from twilio_sms where direction =
		'outbound-reply'}), $reply->{reply}, 'as it was sent';
	unlike $err, qr/warn/, 'which is no alarm: no webhook tells of it';
};

subtest 'a call whose end nobody heard of comes to its end' => sub {
	my $sid = 'CA' . 'e' x 32;
	my %call = $t->call(CallSid => call(seconds => 7)->{call_sid});
	$c->idle;
	# As if only the first of its webhooks had come.
	$t->dbh->do(q{delete from webhook_events where sid = ?}, undef,
		$call{CallSid});
	$t->dbh->do(q{update twilio_calls set status = 'ringing', duration =
		null where call_sid = ?}, undef, $call{CallSid});
	later();
	sweep_finds(1, 'late');
	my $row = $t->row('select * from twilio_calls where call_sid = ?',
		$call{CallSid});
	is $row->{status}, 'completed', 'completed';
	cmp_ok $row->{duration}, '>', 0, 'with its duration';
};

subtest 'a recording that was never announced is transcribed' => sub {
	lossy(0);
	my $call = call(silent => undef, say => 'Hello there, please call.');
	$c->idle;
	my ($sid) = map { $_->{recording_sid} } $call;
	ok $sid, 'the caller left a message';
	$t->dbh->do('delete from twilio_recordings where recording_sid = ?',
		undef, $sid);
	$t->dbh->do('delete from webhook_events where sid = ?', undef, $sid);
	later();
	my ($status, $out) = Ringback::Pass->run($t);
	like $out, qr/ 1 found at Twilio/, 'found';
	is $t->sql('select step from twilio_recordings where recording_sid
		= ?', $sid), 'download', 'and in the queue';
	$t->dbh->do(q{update twilio_recordings set step = 'skipped'});
};

subtest 'other numbers of the account are not ours' => sub {
	lossy(100);
	# Its webhooks point elsewhere.
	$c->control(POST => numbers => { number => '+15005550111',
		elsewhere => \1 });
	my $foreign = text(to => '+15005550111')->{message_sid};
	my $ours = text()->{message_sid};
	lossy(0);
	later();
	sweep_finds(1, 'one of two');
	is rows($ours), 1, 'the one to our number';
	is rows($foreign), 0, 'and not the other';
	is +(admin(qw(number assign), '+15005550111', 'user-1'))[0], 0,
		'assigned to one of our users';
	later(0);
	sweep_finds(1, 'it is ours');
	is $t->sql('select user_id from twilio_sms where message_sid = ?',
		$foreign), 'user-1', "and that user's";
};

subtest 'what we asked for ourselves is not taken for news' => sub {
	my $key = $t->key;
	# Twilio has it, and its answer to us was lost.
	$c->fault(match => 'POST .*/Messages', status => 502, process => 1,
		times => 1);
	lossy(100);
	is $t->api(POST => '/api/twilio/send-sms', $key, { to =>
		'+15005550006', body => 'Is it sent?' })->status, 202, 'unknown';
	later();
	sweep_finds(0, 'no news');
	is $t->sql(q{select count(*) from twilio_sms where body =
		'Is it sent?'}), 1, 'one row';
	$t->dbh->do(q{update twilio_sms set created_at = created_at - interval
		'2 minutes' where message_sid is null});
	later(0);
	Ringback::Pass->run($t);
	is $t->sql(q{select count(message_sid) from twilio_sms where body =
		'Is it sent?'}), 1, 'which settle has given its SID';
	lossy(0);
};

subtest 'Twilio away: nothing breaks, and the next look begins earlier' => sub {
	lossy(100);
	my $text = text(body => 'meanwhile')->{message_sid};
	$c->idle;
	later();
	$c->stop;
	my ($status, $out, $err) = Ringback::Pass->run($t);
	is $status, 0, 'the pass ends well';
	like $err, qr/not reconciled, will look again/, 'and says what it met';
	$c->start;
	$t->dbh->do(q{update reconciliations set run_at = now()});
	sweep_finds(1, 'afterwards');
	is rows($text), 1, 'the text is here';
	lossy(0);
};

subtest 'one odd text does not hide the others' => sub {
	lossy(100);
	my @texts = map { text(body => $_)->{message_sid} } 'before',
		"a NUL \x{0} in it", 'behind';
	lossy(0);
	later();
	sweep_finds(3, 'all three');
	is rows(@texts), 3, 'are here';
	is $t->sql('select body from twilio_sms where message_sid = ?',
		$texts[1]), "a NUL \x{fffd} in it", 'with what can be kept of it';
};

subtest 'a key that may not list our numbers' => sub {
	lossy(100);
	my $text = text(body => 'to the configured one')->{message_sid};
	lossy(0);
	later();
	$c->fault(match => 'GET .*/IncomingPhoneNumbers', status => 403);
	my $err = sweep_finds(1, 'the number is in the settings');
	unlike $err, qr/paused/, 'and recordings are transcribed all the same';
	$c->mend;
};

subtest 'recordings wait until their calls are in' => sub {
	my $before = $t->sql(q{select watermark from reconciliations where list
		= 'Recordings'});
	$t->dbh->do(q{update reconciliations set next_page = '/2010-04-01/'
		|| 'Accounts/x', run_at = now() + case list when 'Calls' then
		interval '1 hour' else interval '0' end where list in ('Calls',
		'Recordings')});
	$c->mark;
	Ringback::Pass->run($t);
	is scalar $c->requests(qr/Recordings/), 0, 'while Calls is under way';
	$t->dbh->do('update reconciliations set next_page = null, run_at =
		now()');
	Ringback::Pass->run($t);
	isnt $t->sql(q{select watermark from reconciliations where list =
		'Recordings'}), $before, 'then it is their turn';
};

subtest 'the gap report of an administrator' => sub {
	lossy(100);
	text(body => 'gap');
	lossy(0);
	my $orphan = 'SM' . 'd' x 32;
	$t->dbh->do(q{insert into twilio_sms (message_sid, account_sid, status,
		created_at) values (?, ?, 'received', now() - interval
		'30 minutes')}, undef, $orphan, $Ringback::Test::ACCOUNT);
	my ($status, $out, $err) = admin(qw(reconcile --since 2020-01-01));
	is $status, 0, 'exit 0' or diag $err;
	like $out, qr/^Messages +\d+ +1 +0 +1$/m, 'one missed, one orphan';
	like $err, qr/here, but not at Twilio.*\Q$orphan/, 'which is named';
	($status, $out) = admin(qw(reconcile --since 2020-01-01T12:00:00Z));
	like $out, qr/^Messages +\d+ +0 +0 +1$/m, 'a second time: none missed';
	is +(admin(qw(reconcile)))[0], 64, '--since is needed';
	is +(admin(qw(reconcile --since yesterday)))[0], 64, 'and a date';
	$t->dbh->do('delete from twilio_sms where message_sid = ?', undef,
		$orphan);
};

subtest 'a look that is too long for a pass goes on in the next' => sub {
	$t->dbh->do('delete from reconciliations');
	my $at = $c->url . '/2010-04-01/Accounts/' . $Ringback::Test::ACCOUNT;
	# As a pass that was killed behind its first page has left it.
	Ringback::Pass->run($t);
	my @lists = map { $_->{params}{PageToken} // 'first' }
		$c->mark->requests(qr/Messages/);
	is_deeply \@lists, [], 'marked';
	my $page = Mojo::UserAgent->new->get(Mojo::URL->new(
		"$at/Messages.json?PageSize=20")->userinfo(
		"$Ringback::Test::ACCOUNT:$Ringback::Test::TOKEN"))->res->json;
	$c->mark;
	$t->dbh->do(q{update reconciliations set next_page = ?, run_at = now()
		where list = 'Messages'}, undef, $page->{next_page_uri});
	Ringback::Pass->run($t);
	my ($first) = $c->requests(qr/Messages/);
	like $first->{params}{PageToken}, qr/^PA/, 'from that page on';
	is $t->sql(q{select next_page from reconciliations where list =
		'Messages'}), undef, 'to the end';
	# A page that Twilio does not know any more.
	$t->dbh->do(q{update reconciliations set next_page = ?, run_at = now()
		where list = 'Messages'}, undef, $page->{next_page_uri}
		=~ s/PA\w+/PASMgone/r);
	Ringback::Pass->run($t);
	is $t->sql(q{select next_page from reconciliations where list =
		'Messages'}), undef, 'is given up';
	$t->dbh->do(q{update reconciliations set next_page =
		'/2010-04-01/Accounts/../../evil', run_at = now() where list =
		'Messages'});
	$c->mark;
	Ringback::Pass->run($t);
	is scalar(grep { $_->{path} =~ /evil/ } $c->requests), 0,
		'nor is anything asked that is no page';
};

subtest 'a refused key is one alarm, and stops the looking' => sub {
	later(0);
	$c->fault(match => 'GET .*/(?:Calls|Messages|Incoming)', status => 401,
		times => 9);
	my ($status, $out, $err) = Ringback::Pass->run($t);
	is $status, 75, 'exit 75';
	like $err, qr/ error .*paused: a person must act/, 'an alarm';
	$c->mend;
	later(0);
	$c->mark;
	($status, $out, $err) = Ringback::Pass->run($t);
	is $err, '', 'one';
	is scalar $c->requests, 0, 'and nobody is asked meanwhile';
	later(0);
	$t->dbh->do('update pauses set until = now()');
	($status, undef, $err) = Ringback::Pass->run($t);
	like $err, qr/resumed service=twilio/, 'until the key is good again';
	is $t->sql('select count(*) from pauses'), 0, 'and that is over';
};

$t->done;

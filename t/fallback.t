# SPDX-License-Identifier: ISC
# No worker answers, or they are killed while they do: nginx plays what keeps
# a caller on the line, keeps the request, and the next pass takes it in once
# its signature has been checked.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database workers kill_pool
	post_many);
use Time::HiRes qw(sleep time);
use XML::LibXML;

my $t = Ringback::Test->new(workers => 4);
my ($spool, $fallback) = map { $t->dir . "/$_" } qw(spool fallback);
my $type = 'application/x-www-form-urlencoded';

sub files ($dir) {
	my @files = sort glob "$dir/*";
	return @files;
}

# nginx makes a file first and writes it then, up to its third newline.
sub wait_for_kept ($count) {
	$t->wait_for("$count kept requests", sub {
		return $count == grep { Ringback::Test::slurp($_) =~
			/\n.*\n.*\n\z/s } files($fallback) });
	return;
}

# Passes leave young files alone.
sub settle ($count) {
	wait_for_kept($count);
	utime time - 60, time - 60, files($fallback);
	return;
}

sub events ($sid) {
	return @{ $t->dbh->selectall_arrayref('select *, extract(epoch from
		received_at) as at from webhook_events where sid = ?',
		{ Slice => {} }, $sid) };
}

subtest 'workers are killed all the time and nobody notices' => sub {
	my @posts = map { my %call = $t->call; ([ '/api/twilio/voice', \%call ],
		[ '/api/twilio/status', { %call, CallStatus => 'completed',
		CallDuration => 3 } ]) } 1 .. 300;
	# Busy workers: otherwise most of them would be killed between requests.
	$t->dbh->do(q{create function dawdle() returns trigger language plpgsql
		as 'begin perform pg_sleep(0.02); return new; end'});
	$t->dbh->do('create trigger dawdle before insert on webhook_events
		for each row execute function dawdle()');
	my $kills = 0;
	my @statuses = post_many($t, \@posts, 12, sub ($count) {
		return if $count % 15;
		my @workers = workers($t);
		$kills += kill 'KILL', $workers[rand @workers] if @workers;
	});
	$t->dbh->do('drop function dawdle cascade');
	my $hits = () = $t->log('access') =~ /worker=502, /g;
	ok $hits >= 5, "$hits of $kills killed had a request in hand";
	is_deeply [ grep { !/^20[04]$/ } @statuses ], [], 'all are answered';
	my $kept = files($fallback);
	settle($kept) if $kept;
	is +($t->sweep)[0], 0, 'the next pass ends well';
	my @sids = map { $_->[1]{CallSid} } @posts;
	is $t->sql('select count(*) from webhook_events where sid = any(?)',
		\@sids), 600, 'every event is stored, and once';
	is $t->sql(q{select count(*) from twilio_calls where call_sid = any(?)
		and status = 'completed' and duration = 3}, \@sids), 300,
		'every call is what it came to';
};

subtest 'a worker told to stop answers the request in hand' => sub {
	my %text = $t->text;
	$t->dbh->begin_work;
	$t->dbh->do('lock table webhook_events in access exclusive mode');
	my @before = workers($t);
	my $child = fork // die "fork: $!";
	if (!$child) {
		my $answer = Ringback::Test::request($t, POST =>
			'/api/twilio/sms', { 'Content-Type' => $type,
			'X-Twilio-Signature' => Ringback::Test::signature(
			$t->base . '/api/twilio/sms', \%text) },
			Ringback::Test::encode(\%text));
		POSIX::_exit($answer->status == 200 ? 0 : 1);
	}
	$t->wait_for('the request to be in hand', sub { $t->sql(q{select
		count(*) from pg_stat_activity where wait_event_type = 'Lock'
		and application_name = 'ringback-hooks'}) });
	kill 'TERM', @before;
	waitpid $child, 0;
	is $?, 0, 'answered';
	my ($by) = $t->log('worker-hooks') =~
		/\[(\d+)\]: .*status=200 .*sid=\Q$text{MessageSid}\E/;
	ok defined $by && grep({ $_ == $by } @before),
		'by the one that had it';
	$t->dbh->rollback;
	$t->wait_for('other workers', sub {
		my %old = map { $_ => 1 } @before;
		my @now = workers($t);
		return @now == 4 && !grep { $old{$_} } @now;
	});
	is +($t->sweep)[0], 0, 'the next pass ends well';
	is scalar events($text{MessageSid}), 1, 'and it is stored, once';
};

# What nginx says itself, and keeps; what it cannot keep it refuses.
sub nginx_answers_alone ($name) {
	my %call = $t->call;
	my %text = $t->text(Body => "50% \"off\" \\ caf\x{e9} \x{1f44d}\n\tok");
	my @posts = ([ '/api/twilio/voice', \%call ],
		[ '/twilio/voice', { $t->call } ],
		[ '/api/twilio/sms', \%text ],
		[ '/twilio/sms', { $t->text } ]);
	my %expected;
	for my $post (@posts) {
		my ($path, $form) = @$post;
		my $answer = $t->post_signed($path, $form);
		is $answer->status, 200, "$name: $path: 200";
		like $answer->type, qr{^text/xml}, "$name: $path: TwiML";
		my $doc = XML::LibXML->load_xml(string => $answer->body);
		my ($record) = $doc->findnodes('/Response/Record');
		is !!$record, $path =~ /voice/,
			"$name: $path: a voicemail, if it is a call";
		like $record->getAttribute('action'), qr{^/api/twilio/recording#},
			"$name: $path: which tells us" if $record;
		$expected{"$path\n" . Ringback::Test::signature($t->base .
			$path, $form) . "\n" . Ringback::Test::encode($form)
			. "\n"} = 1;
	}
	for my $path (qw(/api/twilio/status /api/twilio/recording
		/api/twilio/recording-status /api/twilio/sms-status
		/twilio/recording)) {
		is $t->post_signed($path, { $t->recording($call{CallSid}),
			%call })->status, 503,
			"$name: $path: 503, send it again";
	}
	wait_for_kept(scalar @posts);
	is_deeply { map { Ringback::Test::slurp($_) => 1 } files($fallback) },
		\%expected, "$name: the requests are kept byte by byte";
	my $mode = (stat((files($fallback))[0]))[2];
	is $mode & 07, 0, "$name: not for everybody to read";
	return @posts;
}

sub all_are_taken_in ($name, @posts) {
	my $at = time - 60;
	settle(scalar @posts);
	my ($status, $out) = $t->sweep;
	is $status, 0, "$name: the next pass ends well";
	like $out, qr/ @{[ scalar @posts ]} events replayed/, "$name: with all";
	is scalar files($fallback), 0, "$name: none is left";
	for (map { $_->[1] } @posts) {
		my ($e, @more) = events($_->{MessageSid} // $_->{CallSid});
		is_deeply \@more, [], "$name: stored once";
		is $e->{source}, 'fallback', "$name: from there";
		ok $e->{verified}, "$name: signature checked";
		ok abs($e->{at} - $at) < 30, "$name: with its time";
		is $e->{body}, Ringback::Test::encode($_), "$name: as it came";
	}
	is $t->sql('select body from twilio_sms where message_sid = ?',
		$posts[2][1]{MessageSid}), $posts[2][1]{Body},
		"$name: every character of the text";
	return;
}

subtest 'neither database nor spool: callers are answered, Twilio told' => sub {
	crash_database($t);
	rename $spool, "$spool.away" or die $!;
	open my $fh, '>', $spool or die $!;
	close $fh;
	my @posts = nginx_answers_alone('no spool');
	like $t->log('worker-hooks'), qr/webhook kept nowhere/, 'the log knows';
	unlink $spool;
	rename "$spool.away", $spool or die $!;
	start_database($t);
	all_are_taken_in('no spool', @posts);
};

subtest 'no worker at all, and what is kept outlives a restart' => sub {
	kill_pool($t);
	my @posts = nginx_answers_alone('no worker');
	is +($t->quickstart('status'))[0], 1, 'status tells';
	is +($t->quickstart('down'))[0], 0, 'down';
	is scalar files($fallback), @posts, 'the files are there';
	$t->start;
	all_are_taken_in('no worker', @posts);
};

subtest 'what was not signed by Twilio is refused then, too' => sub {
	kill_pool($t);
	my %good = $t->call;
	my %forged = $t->call;
	my %foreign = $t->call(AccountSid => 'AC' . 'f' x 32);
	is $t->post_unsigned('/api/twilio/voice', \%forged)->status, 200,
		'nginx cannot tell and answers';
	$t->post('/api/twilio/voice', \%forged, 'X-Twilio-Signature' =>
		'AAAAAAAAAAAAAAAAAAAAAAAAAAA=');
	$t->post_signed('/api/twilio/voice', \%foreign);
	$t->post_signed('/api/twilio/voice', \%good);
	wait_for_kept(4);
	my $write = sub ($name, $bytes) {
		open my $fh, '>:raw', "$fallback/$name" or die $!;
		print {$fh} $bytes;
		close $fh or die $!;
	};
	# A signed file in which somebody has changed a digit.
	my ($signed) = grep { /\Q$good{CallSid}/ }
		map { Ringback::Test::slurp($_) } files($fallback);
	my %other = (%good, From => '+15005550007');
	$write->('changed', $signed =~ s/15005550006/15005550007/gr);
	$write->('other-path', $signed =~ s{/voice}{/status}r);
	$write->('no-path', $signed =~ s{^\S+}{/etc/passwd}r);
	$write->('cut-short', substr $signed, 0, 60);
	$write->('empty', '');
	$write->('.hidden', $signed);
	mkdir "$fallback/directory" or die $!;
	symlink '.hidden', "$fallback/link" or die $!;
	my @owner = (stat $fallback)[4, 5];
	chown @owner, grep { !-l } files($fallback);
	system('touch', '-h', '-d', '-1 minute', files($fallback)) == 0
		or die 'touch';
	my ($status, $out, $err) = $t->sweep;
	is $status, 1, 'exit 1: somebody should look';
	like $out, qr/ 10 failed,.* 1 events replayed/, 'one is good';
	is scalar events($good{CallSid}), 1, 'and stored';
	is $t->sql('select from_number from twilio_calls where call_sid = ?',
		$good{CallSid}), $Ringback::Test::CALLER, 'as it was signed';
	is scalar(map { events($_->{CallSid}) } \%forged, \%foreign), 0,
		'the others are not';
	is scalar files($fallback), 0, 'nothing waits any more';
	is scalar(my @bad = glob "$fallback/.bad-*"), 2,
		'what is no request is set aside';
	is $t->sql(q{select count(*) from webhook_events where refused is not
		null and source = 'fallback'}), 8,
		'the refused are in the journal, to be looked at';
	is $t->sql(q{select count(*) from webhook_events where refused like
		'%AccountSid is not one%' and convert_from(body, 'utf8') like ?},
		"%$foreign{CallSid}%"), 1, 'each with its bytes and why';
	like $err, qr/refused; the journal has it/, 'and in the log';
	is +($t->sweep)[0], 0, 'the next pass does not try them again';
};

$t->done;

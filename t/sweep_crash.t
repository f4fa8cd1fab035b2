# SPDX-License-Identifier: ISC
# Sweeps that are many, killed, stopped, too slow, or without a database: each
# recording is transcribed once and stored once, and what has been paid for is
# kept.
use v5.36;
use DBD::Pg qw(:async);
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use Ringback::Outside qw(speech long_speech FRAME);
use Ringback::Pass;
use Ringback::Plans qw(explain explain_no_more plans);
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database);

my $outside = Ringback::Outside->new;
my $t = Ringback::Test->new(fakes => $outside->fakes,
	env => { LEASE_SECONDS => 4, TRANSCRIBE_MAX_BYTES => 65536 });
my %fake = map { $_ => $t->fake($_) } qw(twilio openai llm);
my $frames = 40;

sub due ($media = speech(++$frames)) {
	return $outside->recording($t, $media);
}

sub recording_row ($sid) {
	return $t->row('select * from twilio_recordings where recording_sid =
		?', $sid);
}

# When the sweep that has it must have said again that it lives; else anybody
# may have it.
sub leased_until ($sid) {
	return $t->sql('select until from sweeps s join twilio_recordings r on
		r.sweep = s.id and lease is not null and until > now() where
		recording_sid = ?', $sid);
}

sub transcript_row ($sid) {
	return $t->row('select *, xmin from transcriptions where
		recording_sid = ?', $sid);
}

# What came for that service since the last time this was called.
my %seen = map { $_ => 0 } keys %fake;
sub fresh ($name) {
	my @all = $fake{$name}->requests;
	my @new = @all[$seen{$name} .. $#all];
	$seen{$name} = @all;
	return @new;
}

sub wait_until_asked ($name, $times = 1) {
	my $before = $seen{$name};
	return $t->wait_for("$times request(s) to $name", sub {
		return $fake{$name}->requests >= $before + $times;
	});
}

# The lease of a dead sweep runs out by itself.
sub wait_for_lease (@sids) {
	return $t->wait_for('the end of the lease', sub {
		return !grep { leased_until($_) } @sids;
	});
}

subtest 'sixteen sweeps at once over forty recordings' => sub {
	my %bytes = map { my $media = speech(++$frames);
		due($media) => length $media } 1 .. 40;
	my @passes = map { Ringback::Pass->start($t) } 1 .. 16;
	my ($done, @bad) = (0);
	for my $pass (@passes) {
		my ($status, $out, $err) = $pass->end;
		push @bad, "$status: $out$err" if $status != 0 || $err ne '';
		$done += $out =~ /: (\d+) done/ ? $1 : 0;
	}
	is_deeply \@bad, [], 'all end well';
	is $done, 40, 'and did forty together';
	my %asked;
	$asked{ $_->{form}{file}{bytes} }++ for fresh('openai');
	is_deeply \%asked, { map { $_ => 1 } values %bytes },
		'each was transcribed exactly once';
	is scalar fresh('llm'), 40, 'and analysed once';
	is_deeply $t->dbh->selectcol_arrayref('select recording_sid,
		transcription from transcriptions', { Columns => [ 1, 2 ] }),
		$t->dbh->selectcol_arrayref(q{select recording_sid,
		'These are ' || b || ' bytes. Bye.' from transcriptions t join
		unnest(?::text[], ?::int[]) v (sid, b) on sid = recording_sid},
		{ Columns => [ 1, 2 ] }, [ keys %bytes ], [ values %bytes ]),
		'no two were mixed up';
};

subtest 'no transaction is open while somebody thinks' => sub {
	my $sid = due();
	$outside->next(openai => { hold => 'think' });
	my $pass = Ringback::Pass->start($t);
	wait_until_asked('openai');
	is_deeply $t->dbh->selectall_arrayref(q{select state, xact_start from
		pg_stat_activity where application_name = 'ringback-sweep'}),
		[ [ 'idle', undef ] ], 'idle, not in a transaction';
	my $first = leased_until($sid);
	ok $t->wait_for('a heartbeat', sub {
		leased_until($sid) gt $first }),
		'its lease is renewed all the while';
	like +($t->sweep)[1], qr/: 0 done/, 'so that nobody else takes it';
	$outside->release('think');
	is +($pass->end)[0], 0, 'done in the end';
	is scalar fresh('openai'), 1, 'by one';
	fresh('llm');
};

subtest 'a sweep that is killed costs at most the call in flight' => sub {
	my ($transcribing, $analysing) = (due(), due());
	$outside->next(openai => { hold => 'never' });
	my $one = Ringback::Pass->start($t, {}, '--limit', 1);
	wait_until_asked('openai');
	fresh('openai');
	$outside->next(llm => { hold => 'never' });
	my $two = Ringback::Pass->start($t, {}, '--limit', 1);
	wait_until_asked('llm');
	fresh($_) for qw(openai llm);
	$_->signal('KILL') for $one, $two;
	is_deeply [ map { ($_->end)[0] } $one, $two ], [ 137, 137 ], 'killed';
	is recording_row($transcribing)->{status}, 'processing',
		'its recording is leased still';
	is transcript_row($analysing)->{transcription}, 'These are '
		. $frames * FRAME . ' bytes. Bye.', 'checkpoint one holds';
	wait_for_lease($transcribing, $analysing);
	like +($t->sweep)[1], qr/: 2 done/, 'the next pass finishes both';
	is_deeply [ map { $_->{form}{file}{bytes} } fresh('openai') ],
		[ ($frames - 1) * FRAME ],
		'and pays again for the one call that was in flight';
	is scalar fresh('llm'), 2, 'and for the analysis';
	is $t->sql('select count(*) from transcriptions where recording_sid
		in (?, ?)', $transcribing, $analysing), 2, 'one transcript each';
	is $t->sql(q{select count(*) from api_calls where finished_at is null}),
		2, 'the ledger shows which calls were cut off';
};

subtest 'the next pass sees that it is dead and does not wait' => sub {
	my $sid = due();
	$outside->next(openai => { hold => 'killed' });
	my $one = Ringback::Pass->start($t, { LEASE_SECONDS => 3600 });
	wait_until_asked('openai');
	my ($status, $out) = Ringback::Pass->run($t, { LEASE_SECONDS => 3600 });
	like $out, qr/: 0 done/, 'while it lives its recording is its own';
	$one->signal('KILL');
	$one->end;
	($status, $out, my $err) = Ringback::Pass->run($t, { LEASE_SECONDS =>
		3600 });
	like $out, qr/: 1 done/, 'dead, the next pass has it done';
	like $err, qr/taking over from dead sweeps.*sweeps=1/, 'saying so';
	is scalar fresh('openai'), 2, 'the call in flight is paid for again';
	fresh('llm');
};

subtest 'one that was only cut off from the database keeps its own' => sub {
	my $sid = due();
	$outside->next(openai => { hold => 'cut off' });
	my $one = Ringback::Pass->start($t, { LEASE_SECONDS => 3600 });
	wait_until_asked('openai');
	$t->dbh->do(q{select pg_terminate_backend(pid) from pg_stat_activity
		where application_name = 'ringback-sweep'});
	my $two = Ringback::Pass->start($t, { LEASE_SECONDS => 3600 });
	is +($two->end)[0], 0, 'another pass meanwhile';
	$outside->release('cut off');
	like +($one->end)[1], qr/: 1 done/, 'finishes what it began';
	is scalar fresh('openai'), 1, 'and it was paid for once';
	fresh('llm');
};

# Whose sweep has said that it lives, but not when this statement began.
subtest 'a claim that takes its time takes nothing from a newer sweep' => sub {
	due();
	explain($t);
	my ($claim) = grep { /SKIP LOCKED.*RETURNING r\.id/s } map {
		$_->{'Query Text'} } plans($t, sub { $t->sweep });
	explain_no_more($t);
	fresh($_) for qw(openai llm);
	my $sid = due();
	my $slow = $claim =~ s/AND CASE step/AND pg_sleep(1) IS NOT NULL $&/r;
	isnt $slow, $claim, 'it has time';
	my @sweeps = map { $t->dbh->clone } 1, 2;
	my $live = sub ($n) { $sweeps[$n]->do(q{insert into sweeps values
		(?, 0, now() + interval '1 minute')}, undef, $n) };
	my @values = map { [ 1, $_, 1, 1, '-infinity', '0' x 32 ] } 0, 1;
	$live->(0);
	my $claims = $sweeps[0]->prepare($slow, { pg_async => PG_ASYNC });
	$claims->execute(@{ $values[0] });
	$t->wait_for('it to have begun', sub { $t->sql(q{select count(*) from
		pg_stat_activity where wait_event = 'PgSleep'}) });
	$live->(1);
	is scalar @{ $sweeps[1]->selectall_arrayref($claim, undef,
		@{ $values[1] }) }, 1, 'the newer one has it';
	is $claims->pg_result + 0, 0, 'the other has not';
	is recording_row($sid)->{sweep}, 1, 'and changes nothing';
	$claims->finish;
	$_->disconnect for @sweeps;
	$t->dbh->do('delete from sweeps');
	like +($t->sweep)[1], qr/: 1 done/, 'it is done by a third';
	fresh($_) for qw(openai llm);
};

subtest 'a sweep that slept through its lease stores nothing' => sub {
	my $sid = due();
	$outside->next(openai => { hold => 'slow', json => { text =>
		'The answer to the sleeper.' } });
	my $sleeper = Ringback::Pass->start($t);
	wait_until_asked('openai');
	$sleeper->signal('STOP');
	wait_for_lease($sid);
	like +($t->sweep)[1], qr/: 1 done/, 'another has finished it';
	my ($recording, $transcript) = (recording_row($sid),
		transcript_row($sid));
	$outside->release('slow');
	$sleeper->signal('CONT');
	my ($status, $out, $err) = $sleeper->end;
	is $status, 0, 'the sleeper ends well';
	like $out, qr/: 0 done/, 'having done nothing';
	like $err, qr/another sweep has taken over/, 'and knowing why';
	is_deeply transcript_row($sid), $transcript, 'the transcript is as was';
	is_deeply recording_row($sid), $recording, 'the recording is as was';
	is scalar fresh('openai'), 2, 'transcribed by both';
	is scalar fresh('llm'), 1, 'analysed by the one that had it';
};

subtest 'and pays for nothing more once it knows' => sub {
	my $sid = due(long_speech(4));
	$outside->next(openai => { hold => 'lost', json => { text => 'One.' }});
	my $pass = Ringback::Pass->start($t);
	wait_until_asked('openai');
	$t->dbh->do('update twilio_recordings set lease = gen_random_uuid()
		where recording_sid = ?', undef, $sid);
	$t->wait_for('the sweep to notice', sub { $pass->said =~ /taken over/});
	like +($pass->end)[1], qr/: 0 done/, 'nothing done';
	is scalar fresh('openai'), 1, 'the other parts were not sent';
	is transcript_row($sid), undef, 'nothing stored';
	$t->dbh->do('update twilio_recordings set run_at = now()');
	like +($t->sweep)[1], qr/: 1 done/, 'the next pass does it';
	fresh($_) for qw(openai llm);
};

subtest 'between two heartbeats the database knows better' => sub {
	for my $case ([ 'a transcript', 'openai', {} ],
		[ 'a failure', 'openai', { status => 503 } ],
		[ 'an analysis', 'llm', {} ]) {
		my ($what, $name, $answer) = @$case;
		my $sid = due();
		$outside->next($name => { hold => $what, %$answer });
		my $pass = Ringback::Pass->start($t, { LEASE_SECONDS => 3600 });
		wait_until_asked($name);
		$t->dbh->do('update twilio_recordings set lease =
			gen_random_uuid() where recording_sid = ?', undef,
			$sid);
		my @before = (recording_row($sid), transcript_row($sid));
		$outside->release($what);
		my ($status, undef, $err) = $pass->end;
		is $status, %$answer ? 75 : 0, "$what: its exit status";
		like $err, qr/another sweep has taken over/, "$what: knows";
		is_deeply [ recording_row($sid), transcript_row($sid) ],
			\@before, "$what: is not stored";
		$t->dbh->do('update twilio_recordings set run_at = now()');
		like +($t->sweep)[1], qr/: 1 done/, "$what: by another";
		fresh($_) for qw(openai llm);
	}
};

subtest 'SIGTERM gives everything back at once' => sub {
	my @sids = map { due() } 1 .. 3;
	$outside->next(openai => ({ hold => 'never' }) x 3);
	my $pass = Ringback::Pass->start($t);
	wait_until_asked('openai', 3);
	$pass->signal('TERM');
	my ($status, $out) = $pass->end;
	is $status, 75, 'exit 75';
	like $out, qr/stopped by a signal/, 'says why';
	is $t->sql('select count(*) from twilio_recordings where run_at <=
		now() and recording_sid = any(?)', \@sids), 3, 'due again';
	for (map { recording_row($_) } @sids) {
		is "$_->{status} $_->{attempts}", 'pending 0',
			'no attempt burned';
		is $_->{lease}, undef, 'nobody holds it';
	}
	fresh('openai');
	like +($t->sweep)[1], qr/: 3 done/, 'the next pass does them';
	fresh($_) for qw(openai llm);
};

subtest 'what was paid for outlives the database' => sub {
	my $sid = due();
	$outside->next(openai => { hold => 'crash' });
	my $pass = Ringback::Pass->start($t, {}, '--limit', 1);
	wait_until_asked('openai');
	crash_database($t);
	my ($status, $out, $err) = Ringback::Pass->run($t);
	is $status, 75, 'a pass that finds no database: exit 75';
	like $out . $err, qr/database: connect: /, 'and why';
	$outside->release('crash');
	$t->wait_for('the first to notice', sub {
		$pass->said =~ /waiting for the database/ });
	start_database($t);
	($status, $out) = $pass->end;
	is $status, 0, 'exit 0';
	like $out, qr/: 1 done/, 'stored when it came back';
	is transcript_row($sid)->{transcription}, 'These are '
		. $frames * FRAME . ' bytes. Bye.', 'the transcript';
	is scalar fresh('openai'), 1, 'paid for once';
	is scalar fresh('llm'), 1, 'as was the analysis';
	is_deeply [ grep { !/^\d{4}-\d\d-\d\dT/ } split /\n/, $pass->said ],
		[], 'every line it said is a line of the log';
};

subtest 'and so do many at once' => sub {
	my @sids = map { due() } 1 .. 8;
	$outside->next(openai => ({ hold => 'all' }) x 8);
	my $pass = Ringback::Pass->start($t, {}, '--limit', 8);
	wait_until_asked('openai', 8);
	crash_database($t);
	$outside->release('all');
	$t->wait_for('all to notice', sub {
		8 == (() = $pass->said =~ /waiting for the database/g) });
	start_database($t);
	my ($status, $out) = $pass->end;
	is $status, 0, 'exit 0';
	like $out, qr/: 8 done/, 'stored when it came back';
	is scalar fresh('openai'), 8, 'each was paid for once';
	is scalar fresh('llm'), 8, 'as was each analysis';
};

# Eight are stored together, and the database has something against one.
subtest 'one that cannot be stored takes nobody along' => sub {
	for my $case ([ 'a refusal', 'P0001', 7, 1 ],
		[ 'a deadlock', '40P01', 8, 0 ]) {
		my ($what, $state, $done, $left) = @$case;
		my @sids = map { due() } 1 .. 8;
		$t->dbh->do('create sequence seen');
		$t->dbh->do(qq{create function fail() returns trigger language
			plpgsql security definer as \$\$ begin
			if new.recording_sid = '$sids[3]' and ($left = 1 or
			nextval('seen') = 1) then
			raise exception 'no' using errcode = '$state'; end if;
			return new; end \$\$});
		$t->dbh->do('create trigger fail before insert on transcriptions
			for each row execute function fail()');
		$outside->next(openai => ({ hold => $what }) x 8);
		my $pass = Ringback::Pass->start($t, {}, '--limit', 8);
		wait_until_asked('openai', 8);
		$outside->release($what);
		my ($status, $out) = $pass->end;
		$t->dbh->do($_) for 'drop trigger fail on transcriptions',
			'drop function fail', 'drop sequence seen';
		like $out, qr/: $done done/, "$what: the others are stored";
		is scalar(grep { !transcript_row($_) } @sids), $left,
			"$what: and $left is not";
		is $status, $left ? 75 : 0, "$what: its exit status";
		is scalar fresh('openai'), 8, "$what: each is paid for once";
		wait_for_lease($sids[3]) if $left;
		like +($t->sweep)[1], qr/: $left done/, "$what: later it is";
		fresh($_) for qw(openai llm);
	}
};

subtest 'part by part, too' => sub {
	my $sid = due(long_speech(4));
	$outside->next(openai => { hold => 'part', json => { text => 'One.' }});
	my $pass = Ringback::Pass->start($t);
	wait_until_asked('openai');
	crash_database($t);
	$outside->release('part');
	$t->wait_for('the sweep to notice', sub {
		$pass->said =~ /waiting for the database|not stored|later/ });
	start_database($t);
	like +($pass->end)[1], qr/: 1 done/, 'done';
	like transcript_row($sid)->{transcription}, qr/^One\. These are/,
		'with the part that was there already';
	my @parts = fresh('openai');
	my $sent = 0;
	$sent += $_->{form}{file}{bytes} for @parts;
	is $sent, length long_speech(4), 'no part was paid for twice';
	fresh('llm');
};

subtest 'killed in the third part, it has the first two' => sub {
	my $sid = due(long_speech(10));
	$outside->next(openai => { json => { text => 'One.' } },
		{ json => { text => 'Two.' } }, { hold => 'third' });
	my $pass = Ringback::Pass->start($t, { LEASE_SECONDS => 3600 });
	wait_until_asked('openai', 3);
	$pass->signal('KILL');
	$pass->end;
	my ($status, $out) = Ringback::Pass->run($t, { LEASE_SECONDS =>
		3600 });
	like $out, qr/: 1 done/, 'the next pass finishes it';
	like transcript_row($sid)->{transcription}, qr/^One\. Two\. These are/,
		'with what was heard before';
	my @bytes = map { $_->{form}{file}{bytes} } fresh('openai');
	my $again = splice @bytes, 2, 1;
	my $sent = 0;
	$sent += $_ for @bytes;
	is $sent, length long_speech(10), 'and no part was paid for twice';
	is $again, $bytes[2], 'but the one in flight';
	is recording_row($sid)->{parts}, undef, 'nothing is left of them';
	fresh('llm');
};

$t->done;

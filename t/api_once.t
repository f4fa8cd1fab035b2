# SPDX-License-Identifier: ISC
# Nobody is called or texted twice. Whatever is lost, cut off or killed on the
# way, Twilio is asked once for what our client asked once, and the row tells
# in the end what came of it.
use v5.36;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/lib";
use List::Util qw(uniq);
use Mojo::Date;
use Mojo::Promise;
use Time::HiRes qw(sleep);
use Ringback::Test;

my $t = Ringback::Test->new(carrier => 1, env => {
	SEND_PER_KEY_MINUTE => 100_000, SEND_PER_RECIPIENT_HOUR => 100_000,
	SEND_PER_DAY => 100_000,
});
my $twilio = $t->carrier;
my $key = $t->key(user => 'user-123');
my ($CALL, $TEXT) = map { "/api/twilio/$_" } qw(make-call send-sms);
my %table = ($CALL => 'twilio_calls', $TEXT => 'twilio_sms');
my %sid = ($CALL => 'call_sid', $TEXT => 'message_sid');
my %resource = ($CALL => 'Calls', $TEXT => 'Messages');

# Every story has a number of its own, so that Twilio's list is of it alone.
my $last = 4_155_551_000;
sub number { return '+1' . ++$last }

sub ask ($path, $to, $words = 'Hello from RepSpheres!') {
	return { to => $to, $path eq $CALL ? (message => $words)
		: (body => $words) };
}

sub thing ($answer) {
	my $json = $answer->json;
	return $json->{call} // $json->{message};
}

sub row ($path, $id) {
	return $t->row("select *, $sid{$path} as sid from $table{$path}
		where id = ?", $id);
}

sub rows ($path, $to) {
	return @{ $t->dbh->selectall_arrayref("select *, $sid{$path} as sid
		from $table{$path} where to_number = ? order by created_at",
		{ Slice => {} }, $to) };
}

# What Twilio has for a number, oldest first.
sub at_twilio ($path, $to) {
	my @oldest_first = reverse grep { $_->{to} eq $to }
		$twilio->list(lc $resource{$path});
	return @oldest_first;
}

sub asked ($path) {
	return scalar $twilio->requests(qr{^POST .*/$resource{$path}\.json$});
}

sub pid_of ($service) {
	return Ringback::Test::slurp($t->dir . "/run/$service.pid") =~ s/\n//r;
}

# The answer of a promise, when it is there.
sub answer_of ($promise) {
	my $answer;
	$promise->then(sub ($a) { $answer = $a });
	return $t->wait_for('the answer', sub { $answer }, 60);
}

# As if it had been asked for that long ago.
sub age ($path, $id, $seconds) {
	$t->dbh->do("update $table{$path} set created_at = created_at - ?::int *
		interval '1 second' where id = ?", undef, $seconds, $id);
	return;
}

sub settle () {
	my ($status, undef, $err) = $t->sweep;
	is $status, 0, 'a sweep passes' or diag $err;
	return;
}

my $OLD = 40;		# seconds: old enough to be looked for at Twilio
my $SAFE = 11 * 60;	# old enough for Twilio's list to be whole

# --- Idempotency-Key ------------------------------------------------------

subtest 'the same key is the same request' => sub {
	for my $path ($CALL, $TEXT) {
		$twilio->mark;
		my $to = number();
		my %once = ('Idempotency-Key' => "order-1 $path");
		my $first = $t->api(POST => $path, $key, ask($path, $to), \%once);
		is $first->status, 201, 'sent';
		is $first->header('Idempotent-Replayed'), undef, 'for the first '
			. 'time';
		$twilio->idle;
		my $again = $t->api(POST => $path, $key, ask($path, $to), \%once);
		is $again->status, 201, 'asked again: the same answer';
		is $again->header('Idempotent-Replayed'), 'true', 'which says so';
		is_deeply [ map { [ @{ thing($_) }{qw(id sid to_number)} ] }
			$again ], [ [ @{ thing($first) }{qw(id sid to_number)} ] ],
			'of the same thing';
		is asked($path), 1, 'Twilio was asked once';
		is scalar rows($path, $to), 1, 'there is one row';

		my $other = $t->api(POST => $path, $key, ask($path, $to,
			'Something else'), \%once);
		is $other->status, 422, 'another request with that key';
		is_deeply [ @{ $other->json }{qw(code field)} ],
			[ 'idempotency_key_reused', 'Idempotency-Key' ],
			'is a mistake';
		is asked($path), 1, 'that Twilio never hears of';
		my $theirs = $t->api(POST => $path, $t->key(user => 'user-9'),
			ask($path, $to), \%once);
		is $theirs->status, 201, "somebody else's key of that name";
		isnt thing($theirs)->{id}, thing($first)->{id}, 'is another';
		is asked($path), 2, 'request';
	}
	for my $bad ('', 'x' x 256, [qw(a b)]) {
		is $t->api(POST => $TEXT, $key, ask($TEXT, number()),
			{ 'Idempotency-Key' => $bad })->status, 400,
			'a key that is none';
	}
	$twilio->idle;
};

subtest 'a refusal is the answer too, unless it may be tried again' => sub {
	my %once = ('Idempotency-Key' => 'refused');
	my $bad = ask($TEXT, '+15005550001');
	$twilio->mark;
	my ($first, $again) = map { $t->api(POST => $TEXT, $key, $bad, \%once) }
		1, 2;
	is $first->status, 422, 'refused';
	is_deeply [ $again->status, $again->json ], [ 422, $first->json ],
		'both times';
	is asked($TEXT), 1, 'by Twilio once';

	%once = ('Idempotency-Key' => 'later');
	my $ask = ask($TEXT, number());
	$twilio->fault(match => '^POST', status => 429, headers =>
		{ 'Retry-After' => 60 });
	is $t->api(POST => $TEXT, $key, $ask, \%once)->status, 429, 'busy';
	is $t->api(POST => $TEXT, $key, $ask, \%once)->status, 201,
		'the same key gets it through later';
	is scalar at_twilio($TEXT, $ask->{to}), 1, 'once';
	is_deeply [ map { $_->{status} =~ s/^(?!failed).*/sent/sr }
		rows($TEXT, $ask->{to}) ], [qw(failed sent)], 'both kept';
	$twilio->idle;
};

subtest 'twenty at once with one key send once' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		$twilio->mark;
		my @answers = map { $_->[0] } @{ answer_of(Mojo::Promise->all(map {
			$t->api_p(POST => $path, $key, ask($path, $to),
			{ 'Idempotency-Key' => "rush $path" }) } 1 .. 20)->then(
			sub (@all) { \@all })) };
		is_deeply [ grep { $_->status !~ /^20[12]$/ } @answers ], [],
			'everybody is told that it is done, or being done';
		is scalar(uniq map { thing($_)->{id} } @answers), 1,
			'and of the same thing';
		is scalar(grep { !$_->header('Idempotent-Replayed') } @answers),
			1, 'one of them did it';
		is asked($path), 1, 'Twilio was asked once';
		is scalar rows($path, $to), 1, 'there is one row';
	}
	$twilio->idle;
};

# --- the row comes first --------------------------------------------------

subtest 'the row is there before Twilio is asked' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		$twilio->mark;
		$twilio->fault(match => '^POST', hold => \1);
		my $promise = $t->api_p(POST => $path, $key, ask($path, $to));
		$t->wait_for('the request', sub { asked($path) });
		my @rows = rows($path, $to);
		is scalar @rows, 1, 'Twilio has the request, and we the row';
		is $rows[0]{user_id}, 'user-123', 'and whose it is';
		$twilio->mend;
		my $answer = answer_of($promise);
		is $answer->status, 201, 'then the answer';
		is thing($answer)->{id}, $rows[0]{id}, 'of that row';
		is row($path, $rows[0]{id})->{sid}, thing($answer)->{sid},
			'which has its SID';
	}
	$twilio->idle;
};

subtest 'a callback faster than the answer is not undone by it' => sub {
	my %end = ($CALL => 'completed', $TEXT => 'delivered');
	for my $path ($CALL, $TEXT) {
		my $to = number();
		$twilio->fault(match => '^POST', hold => \1);
		my $promise = $t->api_p(POST => $path, $key, ask($path, $to));
		$t->wait_for('the last callback', sub {
			((rows($path, $to))[0] // {})->{status}
				eq $end{$path} }) if $t->wait_for('the row',
			sub { rows($path, $to) });
		my ($row) = rows($path, $to);
		my ($there) = at_twilio($path, $to);
		is $row->{sid}, $there->{sid}, 'the callback tells the SID';
		$twilio->mend;
		my $answer = answer_of($promise);
		is $answer->status, 201, 'then the answer';
		is thing($answer)->{status}, $end{$path}, 'of a thing that is '
			. $end{$path};
		is scalar rows($path, $to), 1, 'still one row';
		is row($path, $row->{id})->{status}, $end{$path},
			"not set back to 'queued'";
	}
};

# --- nobody knows ---------------------------------------------------------

# What is answered when Twilio's answer is lost.
sub is_unknown ($answer, $path, $to) {
	is $answer->status, 202, 'accepted; more is not known' or diag $answer;
	my $thing = thing($answer);
	is_deeply [ @$thing{qw(sid status to_number)} ], [ undef, 'unknown',
		$to ], 'and that is what it says';
	is row($path, $thing->{id})->{status}, 'unknown', 'and what is kept';
	return $thing->{id};
}

my %lost = (
	'an error after it was done' => { status => 500, process => \1 },
	'a gateway that gave up'     => { status => 504, process => \1,
		body => '<html>Gateway Timeout</html>' },
	'a connection closed after it was done' => { drop => \1 },
	'an answer that is none'     => { status => 200, process => \1,
		body => 'OK' },
	'a redirect'                 => { status => 307, process => \1,
		headers => { Location => $twilio->url . '/elsewhere' } },
);

subtest 'an answer that is lost is looked for, never asked for again' => sub {
	my (%open, %once);
	$twilio->mark;
	for my $path ($CALL, $TEXT) {
		for my $what (sort keys %lost) {
			note "$path: $what";
			my $to = number();
			# Silence from Twilio, callbacks too.
			$twilio->control(POST => 'hold');
			$twilio->fault(match => '^POST', %{ $lost{$what} });
			my @ask = (POST => $path, $key, ask($path, $to),
				{ 'Idempotency-Key' => "$path $what" });
			$open{$path}{$to} = is_unknown($t->api(@ask), $path,
				$to);
			$once{$to} = \@ask;
		}
	}
	my $asked = asked($CALL) + asked($TEXT);
	is $asked, 2 * keys %lost, 'Twilio was asked once for each';
	for my $to (sort keys %once) {
		my $again = $t->api(@{ $once{$to} });
		is $again->status, 202, 'asked again with the same key';
		is thing($again)->{sid}, undef, 'it still is not known';
	}
	for my $path ($CALL, $TEXT) {
		age($path, $_, $OLD) for values %{ $open{$path} };
	}
	settle();
	for my $path ($CALL, $TEXT) {
		for my $to (sort keys %{ $open{$path} }) {
			my ($there, @more) = at_twilio($path, $to);
			is_deeply \@more, [], 'one at Twilio';
			my $row = row($path, $open{$path}{$to});
			is_deeply [ @$row{qw(sid status)} ],
				[ $there->{sid}, 'queued' ], 'and found there, '
				. 'though still in its queue';
		}
	}
	is asked($CALL) + asked($TEXT), $asked, 'nothing was sent again';
	for my $to (sort keys %once) {
		my $again = thing($t->api(@{ $once{$to} }));
		my ($path) = grep { $open{$_}{$to} } $CALL, $TEXT;
		is_deeply [ @$again{qw(id sid)} ], [ $open{$path}{$to},
			(at_twilio($path, $to))[0]{sid} ],
			'the same key learns what came of it';
	}
	$twilio->control(DELETE => 'hold');
	$twilio->idle;
	is_deeply [ uniq map { $_->{status} } map { row($CALL, $_) }
		values %{ $open{$CALL} } ], ['completed'], 'calls go their way';
	is_deeply [ uniq map { $_->{status} } map { row($TEXT, $_) }
		values %{ $open{$TEXT} } ], ['delivered'], 'texts too';
};

subtest 'Twilio does not answer in time' => sub {
	my $to = number();
	$twilio->mark;
	$twilio->control(POST => 'hold');
	$twilio->fault(match => '^POST', hold => \1);
	my $id = is_unknown($t->api(POST => $TEXT, $key, ask($TEXT, $to)), $TEXT,
		$to);
	$twilio->mend;
	is asked($TEXT), 1, 'it was asked once';
	age($TEXT, $id, $OLD);
	settle();
	is row($TEXT, $id)->{sid}, (at_twilio($TEXT, $to))[0]{sid}, 'found';
	$twilio->control(DELETE => 'hold');
	$twilio->idle;
};

subtest 'two unknown to one number are two at Twilio' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		my @ids;
		$twilio->control(POST => 'hold');
		for (1, 2) {
			sleep 2 if @ids;	# Twilio's dates are in seconds
			$twilio->fault(match => '^POST', drop => \1);
			push @ids, thing($t->api(POST => $path, $key,
				ask($path, $to)))->{id};
		}
		my @there = at_twilio($path, $to);
		is scalar @there, 2, 'two there';
		for my $n (0, 1) {
			my $at = Mojo::Date->new($there[$n]{date_created} =~
				s/\+0000$/GMT/r)->epoch;
			$t->dbh->do("update $table{$path} set created_at =
				to_timestamp(?) where id = ?", undef,
				$at - $OLD, $ids[$n]);
		}
		settle();
		is_deeply [ map { row($path, $_)->{sid} } @ids ],
			[ map { $_->{sid} } @there ], 'each has its own';
		$twilio->control(DELETE => 'hold');
		$twilio->idle;
	}
};

subtest 'what Twilio never had is failed, once that is sure' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		$twilio->mark;
		$twilio->fault(match => '^POST', before => \1);
		my %once = ('Idempotency-Key' => "never $path");
		my $id = is_unknown($t->api(POST => $path, $key, ask($path, $to),
			\%once), $path, $to);
		age($path, $id, $OLD);
		settle();
		is row($path, $id)->{status}, 'unknown', 'not after a moment: '
			. "Twilio's lists lag";
		age($path, $id, $SAFE);
		$twilio->fault(match => '^GET', status => 500);
		settle();
		is row($path, $id)->{status}, 'unknown', 'not without its list';
		settle();
		my $row = row($path, $id);
		is_deeply [ @$row{qw(sid status error_message)} ], [ undef,
			'failed', 'Twilio never had it; nothing was sent' ],
			'when the list that must have it does not';
		is asked($path), 1, 'never sent again';
		is thing($t->api(POST => $path, $key, ask($path, $to), \%once))
			->{status}, 'failed', 'as the same key is told';
	}
};

subtest "one text's loss is not made good by another's arrival" => sub {
	my $to = number();
	$twilio->control(POST => 'hold');
	$twilio->fault(match => '^POST', before => \1);
	my $lost = thing($t->api(POST => $TEXT, $key, ask($TEXT, $to,
		'Your code is 1111')))->{id};
	$twilio->fault(match => '^POST', drop => \1);
	my $there = thing($t->api(POST => $TEXT, $key, ask($TEXT, $to,
		'Your code is 2222')))->{id};
	age($TEXT, $_, $OLD) for $lost, $there;
	settle();
	is row($TEXT, $lost)->{sid}, undef, 'the one that was lost';
	is row($TEXT, $there)->{sid}, (at_twilio($TEXT, $to))[0]{sid},
		'the one that arrived';
	age($TEXT, $lost, $SAFE);
	settle();
	is row($TEXT, $lost)->{status}, 'failed', 'which is told in the end';
	$twilio->control(DELETE => 'hold');
	$twilio->idle;
};

subtest 'by a Messaging Service, whose sender is not known yet' => sub {
	my $service = 'MG' . 'd' x 32;
	my $to = number();
	$twilio->control(POST => 'hold');
	$twilio->fault(match => '^POST', drop => \1);
	my $id = thing($t->api(POST => $TEXT, $key, { %{ ask($TEXT, $to) },
		messagingServiceSid => $service }))->{id};
	$t->api(POST => $TEXT, $key, ask($TEXT, $to));
	settle();
	is row($TEXT, $id)->{sid}, undef, 'not looked for at once: somebody '
		. 'may still be waiting for the answer';
	age($TEXT, $id, $OLD);
	settle();
	my ($there) = grep { ($_->{messaging_service_sid} // '') eq $service }
		at_twilio($TEXT, $to);
	is row($TEXT, $id)->{sid}, $there->{sid}, 'found';
	$twilio->control(DELETE => 'hold');
	$twilio->idle;
};

# --- Twilio did nothing ---------------------------------------------------

subtest 'a Twilio that cannot be reached has done nothing' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		my %once = ('Idempotency-Key' => "away $path");
		$twilio->stop;
		my $answer = $t->api(POST => $path, $key, ask($path, $to), \%once);
		is $answer->status, 503, 'told so';
		is $answer->json->{code}, 'twilio_unreachable', 'in a word';
		is_deeply [ map { $_->{status} } rows($path, $to) ], ['failed'],
			'and kept as failed';
		$twilio->start;
		$answer = $t->api(POST => $path, $key, ask($path, $to), \%once);
		is $answer->status, 201, 'the same request again, and it goes';
		$twilio->idle;
		is scalar at_twilio($path, $to), 1, 'once';
	}
};

subtest 'asked to slow down, we ask again' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		$twilio->mark;
		$twilio->fault(match => '^POST', status => 429, times => 2);
		my $answer = $t->api(POST => $path, $key, ask($path, $to));
		is $answer->status, 201, 'and it goes';
		is asked($path), 3, 'at the third time';
		is scalar at_twilio($path, $to), 1, 'once';
		is scalar rows($path, $to), 1, 'and is one row';
		$twilio->idle;
	}
	my $to = number();
	$twilio->fault(match => '^POST', status => 429, times => 1000);
	my $answer = $t->api(POST => $TEXT, $key, ask($TEXT, $to));
	is $answer->status, 429, 'but not for ever';
	like $answer->header('Retry-After'), qr/^[1-9]/, 'and say when';
	$twilio->mend;
	is_deeply [ at_twilio($TEXT, $to) ], [], 'nothing was sent';
	is_deeply [ map { $_->{status} } rows($TEXT, $to) ], ['failed'],
		'and that is kept';
};

# --- killed, cut off ------------------------------------------------------

subtest 'a worker killed while Twilio answers' => sub {
	for my $path ($CALL, $TEXT) {
		my $to = number();
		$twilio->mark;
		$twilio->control(POST => 'hold');
		$twilio->fault(match => '^POST', hold => \1);
		my $promise = $t->api_p(POST => $path, $key, ask($path, $to));
		$t->wait_for('the request', sub { asked($path) });
		my @killed = $t->pids('worker-api');
		kill 'KILL', @killed;
		my $answer = answer_of($promise);
		is $answer->status, 502, 'our client is told';
		is $answer->json->{code}, 'upstream', 'in the usual shape';
		my ($row, @more) = rows($path, $to);
		is_deeply \@more, [], 'one row';
		like $row->{status}, qr/^(?:sending|unknown)$/, 'stays open';
		$twilio->mend;
		$t->wait_for('a new worker', sub {
			$t->request(GET => '/healthz')->status == 200 });
		is asked($path), 1, 'nginx hands the request to nobody else';
		age($path, $row->{id}, $OLD);
		settle();
		my ($there, @else) = at_twilio($path, $to);
		is_deeply \@else, [], 'one at Twilio';
		is row($path, $row->{id})->{sid}, $there->{sid},
			'and the row finds it';
		is asked($path), 1, 'Twilio was asked once';
		$twilio->control(DELETE => 'hold');
		$twilio->idle;
	}
};

subtest 'no worker for a moment: the request waits for one' => sub {
	my $to = number();
	$twilio->mark;
	my $pool = pid_of('worker-api');
	kill 'STOP', $pool;	# nobody makes new ones
	kill 'KILL', $t->pids('worker-api');
	my $promise = $t->api_p(POST => $TEXT, $key, ask($TEXT, $to));
	sleep 0.2;
	kill 'CONT', $pool;
	is answer_of($promise)->status, 201, 'and is served';
	is asked($TEXT), 1, 'once';
	is scalar rows($TEXT, $to), 1, 'and is one row';
	$twilio->idle;
};

sub database_stop () {
	my $pid = pid_of('postgres');
	$t->{dbh}->disconnect if $t->{dbh};
	delete $t->{dbh};
	kill 'INT', $pid;
	$t->wait_for('the database to end', sub { !kill 0, $pid });
	return;
}

sub database_start () {
	my ($status, undef, $err) = $t->quickstart('up', '--port', $t->{port},
		'--no-schedule');
	is $status, 0, 'the database is back' or diag $err;
	return;
}

# A worker that found the database away does not ask it again for a second.
sub workers_are_back () {
	return $t->wait_for('the workers to be back', sub {
		6 == grep { $t->api(GET => '/api/twilio/calls?limit=1',
			$key)->status == 200 } 1 .. 6
	});
}

subtest 'the database goes away while Twilio answers' => sub {
	for my $path ($CALL, $TEXT) {
		for my $told (0, 1) {
			note $told ? 'a callback tells the row'
				: "the sweep finds it in Twilio's list";
			my $to = number();
			$twilio->mark;
			$twilio->control(POST => 'hold');
			$twilio->fault(match => '^POST', hold => \1);
			my $promise = $t->api_p(POST => $path, $key,
				ask($path, $to));
			$t->wait_for('the request', sub { asked($path) });
			my ($row) = rows($path, $to);
			database_stop();
			$twilio->mend;
			my $answer = answer_of($promise);
			my ($there) = at_twilio($path, $to);
			is $answer->status, 201, 'it was sent, and that is told';
			is_deeply [ @{ thing($answer) }{qw(id sid)} ],
				[ $row->{id}, $there->{sid} ], 'with what is '
				. 'known of it';
			if ($told) {
				$twilio->control(DELETE => 'hold');
				$twilio->idle;
			}
			database_start();
			is row($path, $row->{id})->{sid}, undef,
				'the row did not hear';
			workers_are_back();
			age($path, $row->{id}, $OLD) if !$told;
			settle();
			is row($path, $row->{id})->{sid}, $there->{sid},
				'until now';
			is scalar rows($path, $to), 1, 'and is the only one';
			is asked($path), 1, 'Twilio was asked once';
			$twilio->control(DELETE => 'hold');
			$twilio->idle;
			like row($path, $row->{id})->{status},
				qr/^(?:completed|delivered)$/, 'all is well';
		}
	}
};

subtest 'all in all' => sub {
	for my $path ($CALL, $TEXT) {
		is_deeply [ sort @{ $t->dbh->selectcol_arrayref("select
			$sid{$path} from $table{$path} where $sid{$path} is not
			null") } ], [ sort map { $_->{sid} }
			$twilio->list(lc $resource{$path}) ],
			"every one of Twilio's is one of ours";
		is $t->sql("select count(*) from $table{$path} where status in
			('sending', 'unknown')"), 0, 'none is left open';
	}
};

subtest 'no request was other than Twilio describes' => sub {
	plan skip_all => 'no twilio_api_v2010.json here' if !$twilio->spec;
	is_deeply [ $twilio->violations ], [], 'not the lists either';
};

$t->done;

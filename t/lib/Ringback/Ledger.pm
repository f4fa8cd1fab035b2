# SPDX-License-Identifier: ISC
# Ringback::Ledger: was anything lost, doubled or garbled? It believes three
# things only: what was posted, the clients' own log of the answers
# (Ringback::Load), and the database, once a sweep has taken in what was kept
# elsewhere meanwhile. What a worker says of itself is no evidence.
#
#	my $ledger = Ringback::Ledger->new($t, \@posts, $log);
#	$ledger->figures;
#	is_deeply [ $ledger->missing ], [], 'not even what was answered 503';
#
# A post without an entry in the log was not sent and does not count.
#
# What rows must have come to is worked out here once more, from what Twilio's
# documentation says about its statuses. Of one call, text or recording there
# should be at most one final status among the posts: which of two wins is
# another test's business.
package Ringback::Ledger;
use v5.36;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Test::More;
use Time::HiRes qw(sleep);

use Ringback::Figure qw(figure long);
use Ringback::Load qw(callers);
use Ringback::Test;
use Ringback::Trouble qw(catch_up);

our @EXPORT_OK = qw(unnoticed);

my %rank = (
	call => { queued => 0, initiated => 1, ringing => 2,
		'in-progress' => 3, map { $_ => 9 } qw(completed busy failed
		no-answer canceled) },
	text => { accepted => 0, queued => 1, sending => 2, sent => 3,
		map { $_ => 9 } qw(received delivered undelivered failed) },
	recording => { 'in-progress' => 1, map { $_ => 9 } qw(completed absent
		failed) },
);

sub new ($class, $t, $posts, $log) {
	my $self = bless { t => $t, posts => $posts, log => $log }, $class;
	my @keys = map { _key(@$_) } @$posts;
	my %sid = map { _sid(@$_) => 1 } @$posts;
	my %count;
	$count{ join ' ', @$_[0 .. 2] } = $_->[3] for @{ $t->dbh->
		selectall_arrayref(q{select sid, route,
		encode(sha256(body), 'hex'), count(*) from webhook_events
		where sid = any(?) group by 1, 2, 3}, undef, [ keys %sid ]) };
	$self->{times} = [ map { $count{$_} // 0 } @keys ];
	return $self;
}

# An event is what one request said: of which thing, on which path, and how.
sub _key ($path, $form) {
	return join ' ', _sid($path, $form), $path,
		sha256_hex(Ringback::Test::encode($form));
}

sub _sid ($path, $form) {
	return $form->{RecordingSid} // $form->{MessageSid}
		// $form->{CallSid};
}

# Each of these gives the numbers of posts, in their order.
sub answered ($self) {
	return grep { $self->_acknowledged($_) } $self->_numbers;
}
sub lost ($self) {
	return grep { $self->_acknowledged($_) && !$self->{times}[$_] }
		$self->_numbers;
}
sub missing ($self) { return grep { !$self->{times}[$_] } $self->_numbers }
sub doubled ($self) { return grep { $self->{times}[$_] > 1 } $self->_numbers }

# Of what was sent at all.
sub _numbers ($self) {
	return grep { $self->{log}[$_] } 0 .. $#{ $self->{posts} };
}

sub _acknowledged ($self, $i) { return $self->{log}[$i]{status} =~ /^2/ }

# --- what the rows have come to -------------------------------------------

# What is wrong with rows of calls, texts and recordings, in words.
sub wrong ($self) {
	my %expected = $self->_expected;
	my %found;
	for my $row ($self->_rows(keys %expected)) {
		my ($sid, @values) = map { $_ // '-' } @$row;
		$found{$sid} .= ($found{$sid} ? ' and ' : '') . "@values";
	}
	return map {
		my ($want, $have) = ($expected{$_}, $found{$_} // 'no row');
		$want eq $have ? () : "$_: $have, not $want"
	} sort keys %expected;
}

# SID => its row in words, from the events that are in the journal; 'no row'
# where only events were posted that are not.
sub _expected ($self) {
	my (%thing, %expected);
	for my $i ($self->_numbers) {
		my ($path, $form) = @{ $self->{posts}[$i] };
		my $sid = _sid($path, $form);
		$expected{$_} //= 'no row' for $sid, $form->{CallSid} // ();
		next if !$self->{times}[$i];
		_fold(\%thing, $sid, $path, $form);
	}
	for my $sid (keys %thing) {
		my $x = $thing{$sid};
		my @columns = $sid =~ /^CA/ ? qw(status from to duration
			recording) : $sid =~ /^RE/ ? qw(status call duration)
			: qw(status from to body);
		$expected{$sid} = join ' ', map { $x->{$_} // '-' } @columns;
	}
	return %expected;
}

sub _fold ($thing, $sid, $path, $form) {
	my $x = $thing->{$sid} //= {};
	my $kind = $sid =~ /^CA/ ? 'call' : $sid =~ /^RE/ ? 'recording'
		: 'text';
	my $status = $form->{ { call => 'CallStatus', text => 'MessageStatus',
		recording => 'RecordingStatus' }->{$kind} }
		// $form->{SmsStatus};
	my $rank = defined $status ? $rank{$kind}{$status} : -1;
	die "no rank is known of $status" if !defined $rank;
	@$x{qw(status rank)} = ($status, $rank)
		if $rank > ($x->{rank} // -1);
	if ($kind eq 'recording') {
		my $call = $thing->{ $x->{call} = $form->{CallSid} } //= {};
		$call->{status} //= 'unknown';
		$call->{recording} = $sid
			if ($status // '') !~ /^(?:absent|failed)$/;
		$x->{duration} = $form->{RecordingDuration} if $rank == 9;
		return;
	}
	@$x{qw(from to)} = @$form{qw(From To)};
	$x->{duration} = $form->{CallDuration} if $rank == 9;
	$x->{body} = $form->{Body} if exists $form->{Body};
	return;
}

sub _rows ($self, @sids) {
	return map { @{ $self->{t}->dbh->selectall_arrayref($_, undef,
		\@sids) } } 'select call_sid, status, from_number, to_number,
		duration, recording_sid from twilio_calls where call_sid =
		any(?)', 'select message_sid, status, from_number, to_number,
		body from twilio_sms where message_sid = any(?)',
		'select recording_sid, twilio_status, call_sid, duration from
		twilio_recordings where recording_sid = any(?)';
}

# --- the verdict ----------------------------------------------------------

# of: what to begin the figures' names with.
sub figures ($self, %o) {
	my $of = defined $o{of} ? "$o{of}: " : '';
	my %seen = map { $_ => [ $self->$_ ] }
		qw(answered lost doubled wrong);
	my $ok = 1;
	$ok &= figure("${of}answered 2xx", scalar @{ $seen{answered} }, '==',
		scalar $self->_numbers);
	$ok &= figure("${of}acknowledged but lost", scalar @{ $seen{lost} },
		'==', 0);
	$ok &= figure("${of}stored twice", scalar @{ $seen{doubled} }, '==', 0);
	$ok &= figure("${of}rows missing, doubled or wrong",
		scalar @{ $seen{wrong} }, '==', 0);
	$self->_explain(%seen) if !$ok;
	return $ok;
}

# Something is done while 200 webhooks a second come in, for as long as it
# takes; nobody must notice and nothing be lost. Gives the log. load: how it is
# to be different (Ringback::Load).
sub unnoticed ($t, $name, $do, %load) {
	my @posts = callers($t, long() ? 30_000 : 3_000);
	my $load = Ringback::Load->start($t, \@posts, rate => 200, %load);
	sleep 0.5;
	$do->();
	sleep 0.5;
	my $log = $load->stop->end;
	my @sent = grep { defined } @$log;
	cmp_ok scalar @sent, '<', scalar @posts,
		'webhooks came in all the while';
	is scalar(grep { !$_->{good} } @sent), 0, 'all hear what they should';
	ok defined catch_up($t), 'the sweep has taken in what was kept';
	__PACKAGE__->new($t, \@posts, $log)->figures(of => $name);
	return @sent;
}

# A few of each, for whoever has to find out.
sub _explain ($self, %seen) {
	my %answered = map { $_ => 1 } @{ $seen{answered} };
	my %number = (refused => [ grep { !$answered{$_} } $self->_numbers ],
		map { $_ => $seen{$_} } qw(lost doubled));
	for my $what (sort keys %number) {
		for my $i (grep { defined } @{ $number{$what} }[0 .. 4]) {
			my $e = $self->{log}[$i];
			diag sprintf '%s: post %d, %s, status %s, %.0f ms, at'
				. ' %.3f', $what, $i, _key(
				@{ $self->{posts}[$i] }) =~ s/ \w+$//r,
				@$e{qw(status ms at)};
		}
	}
	diag $_ for grep { defined } @{ $seen{wrong} }[0 .. 4];
	return;
}

1;

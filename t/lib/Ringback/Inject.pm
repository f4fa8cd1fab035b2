# SPDX-License-Identifier: ISC
# Ringback::Inject: a list of points at which something was made to fail, and
# what became of the work that was in hand there. Where a program ends, it may
# exit or give up (SIGABRT, as mem.h has it); not crash. What was acknowledged
# has to be in the database when all is well again.
#
#	my $in = Ringback::Inject->new($t, $outside);
#	my $w = Ringback::Worker->start($t, $in->env);
#	$in->answered($path, \%form, $w->post($path, \%form));
#	$in->ended('the third write', $w->stop);
#	$in->point($what);
#	$in->verdict('webhook', 100);	# at least so many points
#	$in->nothing_lost('webhook');
#
# For passes of ringback-sweep stock() makes work beforehand, and each pass
# gets a share of it by work(): a recording that is due and a text in the
# spool. all_done() looks for it in the end.
package Ringback::Inject;
use v5.36;

use Test::More;

use Ringback::Figure qw(figure);
use Ringback::Outside qw(speech);
use Ringback::Pass;
use Ringback::Test;
use Ringback::Trouble qw(crash_database start_database post_many);

sub new ($class, $t, $outside) {
	return bless { t => $t, outside => $outside, journal => $t->dir
		. '/run/journal', crashes => [], odd => [], kept => [],
		again => [], points => 0, ends => {}, of => {},
		stock => [], texts => [], recordings => [] }, $class;
}

sub built {
	return $ENV{RINGBACK_BINDIR} // "$Ringback::Test::ROOT/.build/default";
}
sub preload { return built() . '/t/inject/malloc.so' }

# The sanitizers have an allocator and handlers of crashes of their own.
sub sanitized {
	return Ringback::Test::slurp(built() . '/ringback-worker')
		=~ /__asan_init/;
}

# The environment of a program whose crashes are to be known. What is to be
# refused, if anything, as t/inject/malloc.c says it. The journal is cleared.
sub env ($self, %refuse) {
	open my $fh, '>', $self->{journal} or die "$self->{journal}: $!";
	chmod 0666, $self->{journal};
	# No leak can be looked for under strace.
	return { ASAN_OPTIONS => 'detect_leaks=0' } if sanitized();
	return { LD_PRELOAD => preload(), REFUSE_LOG => $self->{journal},
		%refuse };
}

# [number, module] of what has been refused since env().
sub refused ($self) {
	return map { /^refused (\d+) (\S+)/ ? [ $1, $2 ] : () }
		split /\n/, Ringback::Test::slurp($self->{journal});
}

# --- what is known of a point ----------------------------------------------

sub point ($self, $kind) {
	$self->{points}++;
	$self->{of}{$kind}++;
	return;
}

sub odd ($self, $text) { return push @{ $self->{odd} }, $text }

# How a program ended, 'exit N' or 'signal N', and what it said.
sub ended ($self, $where, $how, $said = '') {
	$self->{ends}{$how}++;
	my ($in) = Ringback::Test::slurp($self->{journal})
		=~ /^crashed \d+ (\S+)/m;
	$self->odd("$where: $how") if $how !~ /^(?:exit (?:0|1|75)|signal)/;
	return if !$in && $how !~ /^signal (?!6$|15$)/
		&& $said !~ /AddressSanitizer|runtime error:/;
	my $text = "$where: $how in " . ($in // '?');
	($in // '') =~ /^lib/ ? note "not ours: $text"
		: push @{ $self->{crashes} }, $text;
	return;
}

# What came of a webhook: 2xx, that it is kept; 5xx or no answer, that it is
# to come again. No good webhook is refused.
sub answered ($self, $path, $form, $status, $where = $path) {
	push @{ $self->{ $status =~ /^2/ ? 'kept' : 'again' } },
		[ $path, $form ];
	$self->odd("$where: $status") if $status !~ /^(?:0|2..|5..)$/;
	return;
}

# The workers' connections to the database are gone, and not just about to go;
# they need others.
sub disconnect ($self) {
	my $t = $self->{t};
	my @backends = $t->dbh->selectcol_arrayref(q{select pid,
		pg_terminate_backend(pid) from pg_stat_activity
		where application_name = 'ringback-hooks'})->@*;
	$t->wait_for('the end of connections', sub {
		!grep { -e "/proc/$_" } @backends });
	return;
}

# --- the end ---------------------------------------------------------------

sub verdict ($self, $what, $goal) {
	figure("$what: points of failure", $self->{points}, '>=', $goal);
	figure("$what: crashes in our code", scalar @{ $self->{crashes} },
		'==', 0);
	diag $_ for splice @{ $self->{crashes} }, 0, 5;
	@{ $self->{crashes} } = ();
	is_deeply [ splice @{ $self->{odd} } ], [], 'nothing else is wrong';
	for my $list (@$self{qw(ends of)}) {
		note "$_: $list->{$_} times" for sort keys %$list;
		%$list = ();
	}
	$self->{points} = 0;
	return;
}

# How many rows there are of each SID.
sub _rows ($self, $table, $column, @sids) {
	my $rows = $self->{t}->dbh->selectall_arrayref("select $column,
		count(*) from $table where $column = any(?)
		group by $column", undef, \@sids);
	return map { @$_ } @$rows;
}

# What a webhook is about.
sub _sid ($post) {
	my $form = $post->[1];
	return $form->{MessageSid} // $form->{RecordingSid}
		// $form->{CallSid};
}

# As nginx and Twilio would, sends again what got no good answer.
sub nothing_lost ($self, $what) {
	my $t = $self->{t};
	my @again = splice @{ $self->{again} };
	my @kept = splice @{ $self->{kept} };
	my ($status, $out) = Ringback::Pass->run($t, {}, '--limit', 0);
	is $status, 0, 'what was spooled is replayed' or diag $out;
	my %rows = $self->_rows(webhook_events => 'sid', map { _sid($_) }
		@kept);
	figure("$what: acknowledged but lost", scalar(grep {
		!$rows{ _sid($_) } } @kept), '==', 0);
	is_deeply [ grep { !/^20[04]$/ } post_many($t, \@again, 2) ], [],
		@kept . ' were acknowledged, ' . @again
		. ' not, and are sent again';
	my %all = (%rows, $self->_rows(webhook_events => 'sid', map {
		_sid($_) } @again));
	is_deeply [ @again + @kept, grep { $_ != 1 } values %all ],
		[ scalar keys %all ], 'and each is there once';
	return;
}

# --- work for the sweep ----------------------------------------------------

sub stock ($self, $count) {
	my $t = $self->{t};
	crash_database($t);
	my @texts = map { { $t->text } } 1 .. $count;
	post_many($t, [ map { [ '/api/twilio/sms', $_ ] } @texts ], 4);
	start_database($t);
	my @files = glob $t->dir . '/spool/new/*';
	is scalar @files, $count, "$count texts are spooled";
	for (@files) {
		my $later = s{/spool/new/}{/run/later-}r;
		rename $_, $later or die "$later: $!";
		push @{ $self->{stock} }, [ $later, $_ ];
	}
	push @{ $self->{texts} }, map { $_->{MessageSid} } @texts;
	return;
}

# False: there is none left.
sub work ($self) {
	my $file = shift @{ $self->{stock} } or return;
	rename $file->[0], $file->[1] or die "$file->[1]: $!";
	push @{ $self->{recordings} },
		$self->{outside}->recording($self->{t}, speech(40));
	return 1;
}

# Nothing is left to do after some good passes.
sub all_done ($self, $what) {
	1 while $self->{stock}->@* && rename $self->{stock}[0][0],
		(shift @{ $self->{stock} })->[1];
	for (1 .. 3) {
		$self->{t}->dbh->do(q{update twilio_recordings set
			run_at = now() where step in ('download', 'analyse')});
		Ringback::Pass->run($self->{t});
	}
	my @recordings = splice @{ $self->{recordings} };
	my @texts = splice @{ $self->{texts} };
	my %transcripts = $self->_rows(transcriptions => 'recording_sid',
		@recordings);
	my %rows = $self->_rows(webhook_events => 'sid', @texts);
	is $self->{t}->sql(q{select count(*) from twilio_recordings
		where step <> 'done' and recording_sid = any(?)}, \@recordings),
		0, 'every recording is done';
	is_deeply [ grep { $_ != 1 } values %transcripts, values %rows ], [],
		'nothing is there twice';
	figure("$what: acknowledged but lost", @recordings + @texts -
		keys(%transcripts) - keys(%rows), '==', 0);
	return;
}

1;

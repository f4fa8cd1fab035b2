# SPDX-License-Identifier: ISC
# Bench::Stage: ringback and what it is compared with, all running at once and
# all but one idle, and what it takes to put load on one of them.
#
#	my $s = Bench::Stage->new(bin => $bin, out => $out, workers => 16);
#	my $seen = $s->load('ringback', seconds => 3);
#	say "$seen->{rate} a second, $seen->{us}{worker} us of worker each";
package Bench::Stage;
use v5.36;

use POSIX ();

use Bench::Machine qw(cpu_us tree_us);
use Bench::Peers;
use Bench::Statement;
use Ringback::Instant;
use Ringback::Plans qw(as_superuser);
use Ringback::Test;
use Ringback::Trouble;

use constant CLIENTS => 32;

sub new ($class, %o) {
	my $self = bless { workers => 16, %o }, $class;
	$self->{instant} = Ringback::Instant->new;
	my $t = $self->{t} = Ringback::Test->new(workers => $self->{workers},
		env => { $self->{instant}->env });
	my %call = _call($t);
	$self->_write('voice.form', map { "$_=$call{$_}\n" } sort keys %call);
	my $webhook = Bench::Statement->seen($t);
	$self->_write('floor.sql', $webhook->one_value);
	$self->_write('least.sql', $webhook->whole);
	$self->_write('floor.xml', $t->post_signed('/api/twilio/voice',
		{ $t->call })->body);
	$self->{peers} = Bench::Peers->start($t, %$self{qw(bin workers out)});
	my %script = (webhook => [ $webhook->pgbench ],
		bare => [ Bench::Statement::bare() ],
		anywhere => [ Bench::Statement::anywhere() ]);
	for my $name (keys %script) {
		my ($text, @options) = @{ $script{$name} };
		$self->_write("$name.sql", $text);
		$self->{script}{$name} = [ "$self->{out}/$name.sql", @options ];
	}
	return $self;
}

# One like it that nobody has used yet, to be compared with it.
sub another ($self) {
	my $out = "$self->{out}/another";
	mkdir $out;
	return (ref $self)->new(%$self{qw(workers bin quick report)},
		out => $out);
}

sub t ($self) { return $self->{t} }
sub report ($self) { return $self->{report} }
sub quick ($self) { return $self->{quick} }
sub rounds ($self) { return $self->{quick} ? 3 : 5 }

# A call as Twilio tells of it today.
sub _call ($t) {
	my %call = ($t->call, CallSid => 'CA@', CallerName => '',
		map { ("From$_" => '', "To$_" => '', "Caller$_" => '',
		"Called$_" => '') } qw(City State Zip));
	@call{map { $_ . 'Country' } qw(From To Caller Called)} = ('US') x 4;
	@call{map { $_ . 'City' } qw(From Caller)} = ('SAN FRANCISCO') x 2;
	@call{map { $_ . 'State' } qw(From Caller)} = ('CA') x 2;
	@call{qw(CallToken StirVerstat)} = ('x' x 120,
		'TN-Validation-Passed-A');
	return %call;
}

sub _write ($self, $file, @text) {
	open my $fh, '>', "$self->{out}/$file" or die "$file: $!";
	print {$fh} @text;
	close $fh or die $!;
	return;
}

# Which processes stand behind each contender, by what they are.
sub _crew ($self, $name) {
	my ($t, $peers) = @$self{qw(t peers)};
	return (worker => [ Ringback::Trouble::workers($t) ], nginx =>
		[ $t->pids('nginx'), Ringback::Trouble::children(
		$t->pids('nginx')) ]) if $name eq 'ringback';
	return (nginx => [ $peers->pids('nginx') ], $name eq 'nginx' ? () :
		(worker => [ $peers->pids($name) ]));
}

sub _port ($self, $name) {
	return $name eq 'ringback' ? $self->{t}{port} :
		$self->{peers}->port($name);
}

# Load on ringback, express1, express2, floor, least, hello or nginx: seconds, and rate
# if it is not to be as much as possible. What load said of it, and us: the CPU
# that each request took of whom.
sub load ($self, $name, %o) {
	my %crew = $self->_crew($name);
	my $postgres = (Ringback::Trouble::database($self->{t}))[0];
	my %before = (postgres => tree_us($postgres),
		map { $_ => cpu_us(@{ $crew{$_} }) } keys %crew);
	my @options = ('-c', $o{clients} // CLIENTS, '-s', $o{seconds} // 3,
		$o{requests} ? ('-n', $o{requests}) : (),
		$o{rate} ? ('-r', $o{rate}) : (),
		$o{times} ? ('-l', $o{times}) : ());
	my ($status, $out, $err) = Ringback::Test::run_command(
		"$self->{bin}/load", @options, '-p', $self->_port($name), '-u',
		'/api/twilio/voice', '-k', $Ringback::Test::TOKEN, '-e',
		'<Response', "$self->{out}/voice.form");
	my %seen = $out =~ /(\w+)=([\d.]+)/g or die "load: $status: $err";
	die "$name: $seen{bad} bad answers: $out" if $seen{bad};
	$seen{us}{$_} = (cpu_us(@{ $crew{$_} }) - $before{$_}) / $seen{good}
		for keys %crew;
	$seen{us}{postgres} = (tree_us($postgres) - $before{postgres})
		/ $seen{good};
	$seen{us}{load} = 1e6 * $seen{cpu} / $seen{good};
	$self->{served}{$name} += $seen{good};
	return \%seen;
}

# The same of pgbench, with "webhook", "bare" or "anywhere"; at a rate, p50 and
# p99, too.
sub pgbench ($self, $name, %o) {
	my $t = $self->{t};
	my ($host) = $t->{database_url} =~ /host=([^&]+)/;
	my ($script, @options) = @{ $self->{script}{$name} };
	my $postgres = (Ringback::Trouble::database($t))[0];
	my $before = tree_us($postgres);
	my $times = "$self->{out}/pgbench-times";
	push @options, '-R', $o{rate}, '-l', "--log-prefix=$times" if $o{rate};
	my ($status, $out, $err) = Ringback::Test::run_command('pgbench', '-n',
		'-M', 'prepared', '-c', $self->{workers}, '-j', 2, '-T',
		POSIX::ceil($o{seconds} // 3), '-f', $script, @options, '-h',
		$host, '-U', 'ringback', 'ringback');
	my ($count) = $out =~ /transactions actually processed: (\d+)/;
	die "pgbench: $status: $out$err" if !$count || $out !~
		/failed transactions: 0 /;
	my ($rate) = $out =~ /tps = ([\d.]+)/;
	my %seen = (good => $count, rate => $rate, us => { postgres =>
		(tree_us($postgres) - $before) / $count });
	# A line's third field is microseconds, from when it should have begun.
	my @us = sort { $a <=> $b } map { (split)[2] } map { split /\n/ }
		map { Ringback::Test::slurp($_) } glob "$times.*";
	@seen{qw(p50 p99)} = map { $us[$_ * @us] / 1000 } 0.5, 0.99 if @us;
	unlink glob "$times.*";
	return \%seen;
}

# Empty tables and nothing to be written, so that each finds the same.
sub clear ($self) {
	as_superuser($self->{t}, 'TRUNCATE webhook_events, '
		. 'twilio_calls, twilio_recordings, twilio_sms, api_calls, '
		. 'transcriptions CASCADE');
	return $self->checkpoint;
}

# What has been stored so far is written, and is no longer anybody's work; so is
# what was logged: half a million lines, when nginx was alone.
sub checkpoint ($self) {
	as_superuser($self->{t}, 'CHECKPOINT');
	system('sync') == 0 or die 'sync';
	return;
}

sub end ($self) {
	$self->{peers}->stop;
	$self->{instant}->stop;
	$self->{t}->quickstart('down');
	$self->{t}->remove;
	return;
}

1;

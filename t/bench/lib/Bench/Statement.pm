# SPDX-License-Identifier: ISC
# Bench::Statement: what a worker says to PostgreSQL for one webhook, as the
# server's own log has it, made into a script for pgbench and a text for floor.
#
#	my $s = Bench::Statement->seen($t);
#	my ($script, @options) = $s->pgbench;
#	say $s->one_value;
#	say $s->whole;
#
# Exactly that statement, with the values of a real webhook. pgbench can make
# up nothing but numbers, so the journal's key and the SID, which must be new
# each time, are a number of 19 digits, the row's id is made of it, and what is
# NULL stands in the text.
package Bench::Statement;
use v5.36;

use Ringback::Plans qw(as_superuser reconnect);
use Ringback::Test;

# Of a call that comes in.
sub seen ($class, $t) {
	as_superuser($t, 'ALTER DATABASE ringback SET '
		. 'log_min_duration_statement = 0', 'ALTER DATABASE ringback '
		. "SET log_error_verbosity = 'default'");
	reconnect($t, 'ringback-hooks');
	my $before = length $t->log('postgres');
	my %call = $t->call;
	$t->post_signed('/api/twilio/voice', \%call);
	my $said = substr $t->log('postgres'), $before;
	as_superuser($t, 'ALTER DATABASE ringback RESET ALL');
	reconnect($t, 'ringback-hooks');
	# The log holds a number now, and is only this bench's.
	my @found = $said =~ /execute\ \w+:\ (.*?)\n
		.*?DETAIL:\s+parameters:\ (.*)\n/gx
		or die "no statement in the log: $said";
	@found == 2 or die 'a webhook is more than one statement: '
		. 'Bench::Statement does not know how to do that';
	my %value = $found[1] =~ /\$(\d+) = (NULL|'(?:[^']|'')*')/g;
	return bless { text => $found[0], value => \%value }, $class;
}

# The script, and what pgbench must be told besides.
sub pgbench ($self) {
	my ($sql, %value) = $self->_with(':new');
	return script($sql), map { ('-D', "$_=$value{$_}") } sort keys %value;
}

# The same for who gives one value, the new one, and no other.
sub one_value ($self) {
	my ($sql, %value) = $self->_with('$1');
	return $sql =~ s/:(v\d+)/"'" . $value{$1} =~ s{'}{''}gr . "'"/ger;
}

# As a worker says it, for who gives all values.
sub whole ($self) { return $self->{text} }

# The text with $new where something new must be, and :v1 and so on for what is
# the same each time, whose values come behind it.
sub _with ($self, $new) {
	my (%in, %same);
	for my $n (keys %{ $self->{value} }) {
		my $value = $self->{value}{$n};
		if ($value eq 'NULL') {
			$in{$n} = 'NULL';
		} elsif ($value =~ /^'(?:CA[0-9a-f]{32}|\\x[0-9a-f]{32})'$/) {
			$in{$n} = $new;
		} elsif ($value =~ /^'[0-9a-f]{8}-/) {
			$in{$n} = "lpad(${new}::text, 32, '0')";
		} else {
			$in{$n} = ":v$n";
			$same{"v$n"} = $value =~ s/^'|'$//gr =~ s/''/'/gr;
		}
	}
	return $self->{text} =~ s/\$(\d+)/$in{$1} \/\/ die "\$$1"/ger, %same;
}

# The least that a webhook can be: one row that is new. With the SIDs that are
# numbers it lies behind the row before; with those that Twilio makes, anywhere.
sub bare ($sid = ':new') {
	return script('INSERT INTO twilio_calls (call_sid, account_sid, '
		. "from_number, to_number, direction, status) VALUES ($sid, "
		. q{:account, :from, :to, 'inbound', 'ringing') }
		. 'ON CONFLICT (call_sid) DO UPDATE SET '
		. 'status = excluded.status'), map { ('-D', $_) }
		"account=$Ringback::Test::ACCOUNT",
		"from=$Ringback::Test::CALLER", "to=$Ringback::Test::NUMBER";
}

sub anywhere () {
	return bare(q{'CA' || rpad(to_hex(:new::bigint), 32, '0')});
}

sub script ($sql) {
	return '\set new random(1000000000000000000, '
		. "9000000000000000000)\n$sql;\n";
}

1;

# SPDX-License-Identifier: ISC
# What the carrier knows: calls, messages, recordings, numbers, opt-outs and
# the journal of REST requests.  Kept in memory; every change is one line
# appended to a JSON file, so a restart replays the file and nothing else.
package Carrier::Store;
use v5.36;
use Mojo::Base -base, -signatures;
use MIME::Base64 'decode_base64';
use Mojo::File 'path';
use Mojo::JSON qw(decode_json encode_json);

has 'dir';
has journal => sub { [] };
has kinds   => sub { {} };      # kind => sid => resource
has serial  => 0;

sub new ($class, @args) {
	my $self = $class->SUPER::new(@args);
	my $dir  = path($self->dir);
	$dir->child($_)->make_path({mode => 0700}) for '.', 'media', 'cache';
	$self->_replay($dir->child('state.jsonl'), \&_apply);
	$self->_replay($dir->child('journal.jsonl'),
		sub ($s, $entry) { push $s->journal->@*, $entry });
	$self->_rewrite;
	return $self;
}

sub sid ($self, $prefix) {
	my $random = $self->{random} //= path('/dev/urandom')->open('<:raw');
	read($random, my $bytes, 16) == 16 or die "/dev/urandom: $!\n";
	return $prefix . unpack 'H*', $bytes;
}

# Bytes kept beside the state: {file => path} or {base64 => text}.
sub media_write ($self, $sid, $from) {
	my $fh = path($self->dir, 'media', $sid)->open('>:raw');
	print $fh defined $from->{file} ? path($from->{file})->slurp
	    : decode_base64($from->{base64} // '');
	close $fh or die "media/$sid: $!\n";
}

sub file ($self, $name) { path($self->dir, $name)->to_string }

sub get ($self, $kind, $sid) { $self->kinds->{$kind}{$sid} }

# Newest first, as Twilio lists them.
sub all ($self, $kind) {
	return sort { $b->{serial} <=> $a->{serial} }
	    values(($self->kinds->{$kind} // {})->%*);
}

sub save ($self, $kind, $thing) {
	$thing->{serial} //= $self->serial($self->serial + 1)->serial;
	$thing->{date_created} //= time;
	$thing->{date_updated} = time;
	$self->kinds->{$kind}{$thing->{sid}} = $thing;
	$self->_append('state', [$kind, $thing]);
	return $thing;
}

sub remove ($self, $kind, $sid) {
	delete $self->kinds->{$kind}{$sid};
	$self->_append('state', [$kind, {sid => $sid, gone => \1}]);
}

sub journal_add ($self, $entry) {
	$entry->{n} = $self->journal->@* ? $self->journal->[-1]{n} + 1 : 1;
	push $self->journal->@*, $entry;
	$self->_append('journal', $entry);
}

sub journal_clear ($self) {
	$self->journal([]);
	delete $self->{fh}{journal};
	path($self->dir, 'journal.jsonl')->remove;
}

sub _apply ($self, $line) {
	my ($kind, $thing) = @$line;
	return delete $self->kinds->{$kind}{$thing->{sid}} if $thing->{gone};
	$self->kinds->{$kind}{$thing->{sid}} = $thing;
	$self->serial($thing->{serial}) if $thing->{serial} > $self->serial;
}

sub _append ($self, $file, $entry) {
	my $fh = $self->{fh}{$file} //= do {
		my $new = path($self->dir, "$file.jsonl")->open('>>');
		$new->autoflush(1);
		$new;
	};
	print $fh encode_json($entry), "\n" or die "$file.jsonl: $!\n";
}

# The last line may be half written if the carrier was killed: it is left out.
sub _replay ($self, $file, $each) {
	return if !-e $file;
	my @lines = split /\n/, $file->slurp;
	while (defined(my $line = shift @lines)) {
		my $entry = eval { decode_json $line };
		die "$file: not a line of JSON: $line\n" if !$entry && @lines;
		$self->$each($entry) if $entry;
	}
}

# Starts the files afresh, without what was changed or removed since.
sub _rewrite ($self) {
	my @state;
	for my $kind (sort keys $self->kinds->%*) {
		push @state, map { [$kind, $_] } reverse $self->all($kind);
	}
	my %file = (state => \@state, journal => $self->journal);
	for my $name (sort keys %file) {
		my $path = path($self->dir, "$name.jsonl");
		my $fh   = path("$path.new")->open('>');
		print $fh encode_json($_), "\n" for $file{$name}->@*;
		close $fh or die "$path.new: $!\n";
		path("$path.new")->move_to($path);
	}
}

1;

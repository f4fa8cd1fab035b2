# SPDX-License-Identifier: ISC
# Holds requests against Twilio's published OpenAPI description: a parameter
# it does not name, or a value of the wrong type, is a violation.
package Carrier::Spec;
use v5.36;
use Mojo::Base -base, -signatures;
use Mojo::File 'path';
use Mojo::JSON 'decode_json';

has 'file';
has document => sub ($self) { decode_json(path($self->file)->slurp) };
has paths => sub ($self) {
	my @paths;
	for my $template (sort keys $self->document->{paths}->%*) {
		my $regex = join '[^/]+',
		    map { quotemeta } split /\{\w+\}/, $template, -1;
		my $wild = () = $template =~ /\{/g;
		push @paths, [qr/^$regex$/, $self->document->{paths}{$template},
			$wild];
	}
	# The fewer wildcards, the better the match.
	return [sort { $a->[2] <=> $b->[2] } @paths];
};

my %FORMAT = (
	uri => qr{^https?://[^\s/_]+(?:/\S*)?$},
	'date-time' => qr/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?$/,
	date => qr/^\d{4}-\d\d-\d\d$/,
	'phone-number' => qr/^(?:\+[1-9]\d{1,14}|\d{3,8}|[\w-]+:.+|[A-Za-z0-9 ]{1,11})$/,
);
my %TYPE = (
	integer => qr/^-?\d+$/,
	number  => qr/^-?\d+(?:\.\d+)?$/,
	boolean => qr/^(?:true|false)$/i,
);

# Problems as [parameter, sentence], the parameter empty where the operation
# itself is unknown; $params maps each name to its values.
# What is missing is Twilio's own refusal to make, not a problem here.
sub problems ($self, $method, $path, $params) {
	$path .= '.wav'  if $path =~ m{/Recordings/RE\w+$};
	$path .= '.json' if $path =~ m{/Media/ME\w+$};
	my ($match) = grep { $path =~ $_->[0] } $self->paths->@*;
	my $operation = $match && $match->[1]{lc $method};
	return ['', "$method $path is not in the description"] if !$operation;
	my %known = $self->_parameters($operation);
	my @problems;
	for my $name (sort keys %$params) {
		my $schema = $known{$name};
		if (!$schema) {
			push @problems, [$name, 'unknown parameter'];
			next;
		}
		push @problems, map { [$name, $_] }
		    $self->_values($schema, $params->{$name}->@*);
	}
	return @problems;
}

sub _body ($operation) {
	return $operation->{requestBody}{content}
	    {'application/x-www-form-urlencoded'}{schema} // {};
}

sub _parameters ($self, $operation) {
	return (
		(map { $_->{name} => $_->{schema} }
		    grep { $_->{in} eq 'query' }
		    ($operation->{parameters} // [])->@*),
		(_body($operation)->{properties} // {})->%*,
	);
}

sub _values ($self, $schema, @values) {
	if (my $ref = $schema->{'$ref'}) {
		$schema = $self->document->{components}{schemas}
		    {$ref =~ s{.*/}{}r};
	}
	return map { $self->_values($schema->{items}, $_) } @values
	    if ($schema->{type} // '') eq 'array';
	return 'given more than once' if @values > 1;
	my $value = $values[0];
	my $type  = $TYPE{$schema->{type} // ''};
	return "not of type $schema->{type}: $value"
	    if $type && $value !~ $type;
	return "not one of " . join('|', $schema->{enum}->@*) . ": $value"
	    if $schema->{enum} && !grep { $_ eq $value } $schema->{enum}->@*;
	return "does not match $schema->{pattern}: $value"
	    if $schema->{pattern} && $value !~ /$schema->{pattern}/;
	return "less than $schema->{minimum}: $value"
	    if defined $schema->{minimum} && $value < $schema->{minimum};
	return "more than $schema->{maximum}: $value"
	    if defined $schema->{maximum} && $value > $schema->{maximum};
	my $format = $FORMAT{$schema->{format} // ''};
	return "not in the format $schema->{format}: $value"
	    if $format && length $value && $value !~ $format;
	return ();
}

1;

# SPDX-License-Identifier: ISC
# Ringback::Child: a process that ends with the object that started it, and
# not with a copy of that object in another process. The object holds pid, and
# of: the process that started it.
package Ringback::Child;
use v5.36;

sub put_away ($self, $signal = 'TERM') {
	return if !$self->{pid} || $self->{of} != $$;
	local $?;
	kill $signal, $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

1;

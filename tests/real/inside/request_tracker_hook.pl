# Installs the scrip that posts webhooks to the hub, in place of an earlier one.
# Given: HOOK_CODE (the commit code, from the adapter's README).
use strict;
use warnings;
use RT -init;

my $system = RT->SystemUser;
my $scrip  = RT::Scrip->new($system);
$scrip->LoadByCols( Description => 'hub webhook' );
$scrip->Delete if $scrip->id;
$scrip = RT::Scrip->new($system);
my ( $id, $message ) = $scrip->Create(
    Queue             => 0,
    Description       => 'hub webhook',
    ScripCondition    => 'On Transaction',
    ScripAction       => 'User Defined',
    Template          => 'Blank',
    Stage             => 'TransactionBatch',
    CustomPrepareCode => '1;',
    CustomCommitCode  => $ENV{HOOK_CODE},
);
die "the scrip could not be made: $message\n" unless $id;

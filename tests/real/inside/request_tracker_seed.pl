# Makes the queue, its custom fields, and the user whose token the hub uses. May run again.
# Given: RT_QUEUE, RT_USER, ROOT_PASSWORD. Prints the token as the last line.
use strict;
use warnings;
use RT -init;
use RT::AuthToken;

my $system = RT->SystemUser;

sub made {
    my ( $id, $message ) = @_;
    die "could not be made: $message\n" unless $id;
    return $id;
}

my $root = RT::User->new($system);
$root->Load('root');
$root->SetPassword( $ENV{ROOT_PASSWORD} );

my $queue = RT::Queue->new($system);
$queue->Load( $ENV{RT_QUEUE} );
made( $queue->Create( Name => $ENV{RT_QUEUE} ) ) unless $queue->id;

my %fields = (
    'Asset Tag'       => ['FreeformSingle'],
    'Serial Number'   => ['FreeformSingle'],
    'Hostname'        => ['FreeformSingle'],
    'Site'            => ['FreeformSingle'],
    'Category'        => ['FreeformSingle'],
    'External Id'     => ['FreeformSingle'],
    'Tracking Number' => ['FreeformMultiple'],
    'Hub Priority'    => [ 'SelectSingle', qw(P1 P2 P3 P4 P5) ],
);
for my $name ( sort keys %fields ) {
    my ( $type, @values ) = @{ $fields{$name} };
    my $of    = RT::Ticket->CustomFieldLookupType;
    my $field = RT::CustomField->new($system);
    $field->LoadByName( Name => $name, LookupType => $of, ObjectId => 0, IncludeGlobal => 1 );
    if ( !$field->id ) {
        made( $field->Create( Name => $name, Type => $type, LookupType => $of ) );
        $field->AddValue( Name => $_ ) for @values;
    }
    $field->AddToObject($queue) unless $field->IsAdded( $queue->id );
}

my $user = RT::User->new($system);
$user->Load( $ENV{RT_USER} );
made( $user->Create( Name => $ENV{RT_USER}, EmailAddress => "$ENV{RT_USER}\@itsm.test", Privileged => 1 ) )
    unless $user->id;
my @in_queue = qw(SeeQueue ShowTicket CreateTicket CommentOnTicket ReplyToTicket ModifyTicket OwnTicket TakeTicket
    ShowTicketComments ShowOutgoingEmail SeeCustomField ModifyCustomField StealTicket ReassignTicket DeleteTicket);
$user->PrincipalObj->GrantRight( Object => $queue, Right => $_ ) for @in_queue;
$user->PrincipalObj->GrantRight( Object => RT->System, Right => $_ )
    for qw(ManageAuthTokens ShowHistory SeeCustomField ModifyCustomField);

# What is delivered with Request Tracker only sends mail.
my $scrips = RT::Scrips->new($system);
$scrips->UnLimit;
while ( my $scrip = $scrips->Next ) {
    $scrip->SetDisabled(1) unless $scrip->Description =~ /hub/;
}

my $token = RT::AuthToken->new($system);
my ( $id, $message, $text ) = $token->Create( Owner => $user->id, Description => 'hub' );
made( $id, $message );
print "$text\n";

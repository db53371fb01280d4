# Makes queues and catalog, their custom fields, and the user whose token the hub uses.
# Given: RT_QUEUE, RT_ORDER_QUEUE, RT_CATALOG, RT_PLACES (separated by semicolons), RT_USER, ROOT_PASSWORD. Prints the token as the last line.
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

my ( $queue, $orders, $elsewhere ) = map {
    my $made = RT::Queue->new($system);
    made( $made->Create( Name => $_ ) );
    $made;
} @ENV{qw(RT_QUEUE RT_ORDER_QUEUE)}, 'Facilities';

my ( $catalog, $other ) = ( RT::Catalog->new($system), RT::Catalog->new($system) );
made( $catalog->Create( Name => $ENV{RT_CATALOG}, Lifecycle => 'devices' ) );
made( $other->Create( Name => 'Furniture' ) );

my @one  = ('FreeformSingle');
my @many = ('FreeformMultiple');
my @p    = ( 'SelectSingle', qw(P1 P2 P3 P4 P5) );
add_fields( $queue, RT::Ticket->CustomFieldLookupType,
    'Asset Tag' => [@one], 'Serial Number' => [@one], 'Hostname' => [@one], 'Site' => [@one], 'Category' => [@one],
    'External Id' => [@one], 'Tracking Number' => [@many], 'Hub Priority' => [@p], 'Duplicate Of' => [@one],
    'Quantity' => [@one] );
add_fields( $catalog, RT::Asset->CustomFieldLookupType,
    'Asset Tag' => [@one], 'Serial Number' => [@one], 'Hostname' => [@one], 'Manufacturer' => [@one],
    'Model' => [@one], 'Part Number' => [@one], 'Site' => [ 'SelectSingle', split /;/, $ENV{RT_PLACES} ] );

add_fields( $orders, RT::Ticket->CustomFieldLookupType,
    'Part Number' => [@one], 'Serial Number' => [@one], 'Carrier' => [@one], 'Tracking Number' => [@many],
    'Delivered Serials' => [@many] );

# No more than the adapter's README asks for: what people do is done as root.
my $user = RT::User->new($system);
made( $user->Create( Name => $ENV{RT_USER}, EmailAddress => "$ENV{RT_USER}\@itsm.test", Privileged => 1 ) );
my @in_queue = qw(SeeQueue ShowTicket ShowTicketComments SeeCustomField CommentOnTicket ReplyToTicket ModifyTicket
    ModifyCustomField);
grant( $user, $queue,   @in_queue, 'ReassignTicket' );
grant( $user, $orders,  @in_queue, 'CreateTicket' );
grant( $user, $catalog, qw(ShowCatalog ShowAsset SeeCustomField ModifyAsset ModifyCustomField) );

# One agent who may own tickets, and one who may not.
for my $name (qw(kim lee)) {
    my $agent = RT::User->new($system);
    made( $agent->Create( Name => $name, EmailAddress => "$name\@itsm.test", Privileged => 1 ) );
    grant( $agent, $queue, 'OwnTicket' ) if $name eq 'kim';
}

sub grant {
    my ( $to, $object, @rights ) = @_;
    made( $to->PrincipalObj->GrantRight( Object => $object, Right => $_ ) ) for @rights;
}

# A field of the same name in two queues is one field.
sub add_fields {
    my ( $to, $of, %fields ) = @_;
    for my $name ( sort keys %fields ) {
        my ( $type, @values ) = @{ $fields{$name} };
        my $field = RT::CustomField->new($system);
        $field->LoadByCols( Name => $name, LookupType => $of );
        if ( !$field->id ) {
            made( $field->Create( Name => $name, Type => $type, LookupType => $of ) );
            $field->AddValue( Name => $_ ) for @values;
        }
        made( $field->AddToObject($to) );
    }
}

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

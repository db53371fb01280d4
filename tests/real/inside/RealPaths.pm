package RealPaths;

# Debian fixes these paths when Request Tracker is built; here they are moved below the instance's own directory.
use strict;
use warnings;
use RT;

$RT::MasonDataDir    = "$ENV{RT_STATE}/mason";
$RT::MasonSessionDir = "$ENV{RT_STATE}/sessions";
$RT::VarPath         = $ENV{RT_STATE};

1;

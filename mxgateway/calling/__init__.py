"""What every command shares: arguments checked, a request sent, a reply judged, within one bound on time."""

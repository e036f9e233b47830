"""What requests and answers hold, by route."""

"""What makes other libraries' clients and protocols personal, each behind an extra of its own."""

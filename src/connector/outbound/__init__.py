"""What happens, told to other systems by signed webhooks."""

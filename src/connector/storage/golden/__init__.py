"""What sources state of things that several of them know, what people override, and where sources contradict."""

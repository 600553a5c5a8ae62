"""Pictures: where they come from, how they are split and handed out in batches."""

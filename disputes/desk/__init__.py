"""Where staff decide disputes: the queue, the page of one case, and what is done on them."""

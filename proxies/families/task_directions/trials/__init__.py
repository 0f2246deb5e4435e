"""What is run: each public function is a trial, a pure function of JSON-like arguments."""

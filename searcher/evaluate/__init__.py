"""How good is the search: labelled queries made from a catalogue, asked of the engine, scored."""

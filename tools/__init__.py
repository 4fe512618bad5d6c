"""Programs that generate, measure, test and release parts of the project. Users never run them."""

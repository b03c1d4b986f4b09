"""One layer of the law per module: each a pure function over the law in force, in the order of the tests."""

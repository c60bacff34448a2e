/** A program that uses Isthmus. */
module dev.isthmus.examples.packaging {
    requires dev.isthmus.engine;
}

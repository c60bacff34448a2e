/** Small programs, each about one thing that Isthmus does. */
module dev.isthmus.examples {
    requires dev.isthmus.engine;
    requires jdk.httpserver;
}

"""Talks to the database with the stock Redis client."""

import sys

import redis

port = int(sys.argv[1])
for protocol in (2, 3):
    client = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    client.flushall()
    print("ping", client.ping())
    print("set", client.set("a", "1", ex=100), client.incr("a"), client.get("a"), 0 < client.ttl("a") <= 100)
    print("mget", client.mset({"x": 1, "y": 2}), client.mget("x", "none", "y"))
    print("hash", client.hset("h", mapping={"f": "1", "g": "2"}), client.hgetall("h"))
    print("list", client.rpush("l", "a", "b"), client.lpush("l", "z"), client.lrange("l", 0, -1), client.lpop("l"))
    print("set", client.sadd("s", "m", "n"), sorted(client.smembers("s")))
    with client.pipeline() as pipe:
        print("transaction", pipe.set("p", 5).incr("p").execute())
    print("keys", sorted(client.keys("*")), client.dbsize(), client.exists("a", "none"))
    print("info", client.info("server")["redis_mode"], client.config_get("appendonly"))
    try:
        client.incr("l")
    except redis.ResponseError as error:
        print("error", str(error).split()[0])

// SPDX-License-Identifier: Apache-2.0
// drive() and location(): where a device is. Positions are {latitude, longitude} in degrees.
(function (native, runtime) {
    'use strict';

    const { turns } = native;
    const { SLOT } = native.names;
    const geolib = () => runtime.requireOwn('geolib');

    const degrees = (value) =>
        typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
            ? Number(value) : NaN;
    const position = (latitude, longitude, shown) => {
        const place = { latitude: degrees(latitude), longitude: degrees(longitude) };
        if (!(Math.abs(place.latitude) <= 90 && Math.abs(place.longitude) <= 180))
            throw new RangeError(`${shown} is not a position: latitude -90 to 90, longitude -180 ` +
                'to 180');
        return place;
    };

    // The largest city that matches: each word must occur in its city, province or country.
    const cities = (text) => {
        const found = runtime.requireOwn('city-timezones').findFromCityStateProvince(
            text.replaceAll(',', ' '));
        if (!found || found.length === 0)
            throw new Error(`location: unknown city "${text}" among those known; give ` +
                '"latitude,longitude"');
        const named = found.filter((city) =>
            text.toLowerCase().startsWith(city.city.toLowerCase()) ||
            text.toLowerCase().startsWith(city.city_ascii.toLowerCase()));
        return (named.length ? named : found).reduce((a, b) => b.pop > a.pop ? b : a);
    };
    const placeOf = (value, what) => {
        if (Array.isArray(value)) return position(value[0], value[1], what);
        if (typeof value === 'string') {
            const match = /^\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*$/.exec(value);
            if (match) return position(match[1], match[2], what);
            const { lat, lng } = cities(value);
            return { latitude: lat, longitude: lng };
        }
        if (value === null || typeof value !== 'object')
            throw new TypeError(`${what} is not a position: {latitude, longitude}`);
        return position(value.latitude ?? value.lat, value.longitude ?? value.lng ?? value.lon,
            what);
    };
    runtime.location = (text) => placeOf(text, 'location');

    const list = (value) => value === undefined ? [] : Array.isArray(value) ? value : [value];
    const gpxPoints = (file) => {
        const { XMLParser } = runtime.requireOwn('fast-xml-parser');
        const { gpx } = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' })
            .parse(native.readData(file));
        const tracks = list(gpx?.trk).flatMap((track) => list(track.trkseg))
            .flatMap((segment) => list(segment.trkpt));
        const points = tracks.length ? tracks
            : list(gpx?.rte).flatMap((route) => list(route.rtept));
        if (points.length === 0) throw new Error(`drive: ${file} has no track and no route`);
        return points.map((point) => position(point.lat, point.lon, `a point of ${file}`));
    };
    const routes = new Map();
    const route = ({ start, end, path, gpx }) => {
        if (gpx !== undefined) {
            if (!routes.has(gpx)) routes.set(gpx, gpxPoints(gpx));
            return routes.get(gpx);
        }
        if (path !== undefined) {
            const points = typeof path !== 'string' ? path
                : runtime.requireOwn('@googlemaps/polyline-codec').decode(path);
            if (!Array.isArray(points) || points.length === 0 ||
                (typeof path === 'string' && !/^[?-~]+$/.test(path)))
                throw new TypeError('drive: path is a list of positions or an encoded polyline');
            return points.map((point) => placeOf(point, 'drive: a point of path'));
        }
        return [placeOf(start, 'drive: start'), placeOf(end, 'drive: end')];
    };
    const amount = (name, value) => {
        if (typeof value !== 'number' || !(value >= 0) || value === Infinity)
            throw new TypeError(`drive: ${name} is not a number from 0 up`);
        return value;
    };

    // Advances a journey by `metres`, along the great circle between two points.
    const advance = (journey, metres) => {
        const { getDistance, getGreatCircleBearing, computeDestinationPoint } = geolib();
        for (let left = metres; left > 0 && journey.next < journey.points.length;) {
            const target = journey.points[journey.next];
            const distance = getDistance(journey.at, target, 0.001);
            if (distance <= left) {
                journey.at = target;
                journey.next++;
                left -= distance;
            } else {
                journey.at = computeDestinationPoint(journey.at, left,
                    getGreatCircleBearing(journey.at, target), 6378137);
                left = 0;
            }
        }
    };
    const blur = (place, metres) => metres === 0 ? place
        : geolib().computeDestinationPoint(place, Math.sqrt(runtime.random()) * metres,
            runtime.random() * 360);

    // For each client and name: the points of its journey, where it is, and which point is next.
    // IoTIFY's `key` is the user's own for a service of maps, which is not needed here.
    const journeys = [];
    runtime.drive = (options = {}) => {
        if (options === null || typeof options !== 'object')
            throw new TypeError('drive takes {start, end} or {path} or {gpx}');
        const name = options.name ?? '';
        const speed = amount('speed', options.speed ?? 14);
        const accuracy = amount('accuracy', options.accuracy ?? 0);
        const interval = amount('interval', options.interval ?? (native.facts.interval || 1));
        const place = turns[SLOT] + 1;
        const own = journeys[place] ||= { __proto__: null };
        if (own[name] === undefined) {
            const points = route(options);
            own[name] = { points, at: points[0], next: 1 };
        } else {
            advance(own[name], speed * interval);
        }
        const finished = own[name].next >= own[name].points.length;
        const { latitude, longitude } = blur(own[name].at, accuracy);
        return { latitude, longitude, speed: finished ? 0 : speed, accuracy,
            finished: finished || undefined };
    };
})

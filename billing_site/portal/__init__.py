"""Pages of the portal about the clinic itself: its profile, people, tokens and notices.

They stand in the site because their header shows credits, of which `clinics` knows nothing.
"""
